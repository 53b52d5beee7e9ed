//! A telephone, whoever carries its calls.

use super::ROSTER;
use crate::support::pbx::{self, Pbx, SpeechEnds, Waiting};
use crate::support::{NUMBER, TOKEN, TestLine, speech};
use dutyline::simulator::call::{Heard, WaitingFor};
use dutyline::simulator::dial_verb::Answering;
use dutyline::simulator::exchange::{PhoneView, SpeechEnd};
use dutyline::simulator::faults::{Callbacks, Faults};
use dutyline::simulator::spoken;
use dutyline::telephony::Capabilities;

const CALLER: &str = "+8613800138000";

/// What somebody of the roster does when they are rung.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Picks up and presses 1.
    Takes,
    /// Lets it ring.
    Nothing,
    /// A voicemail picks up, and presses nothing.
    Voicemail,
}

/// A telephone. It calls one time after the other.
pub struct Phone<'a> {
    line: &'a TestLine,
    pbx: Option<&'a Pbx>,
    can: Capabilities,
    view: Option<PhoneView>,
    channel: String,
    /// The telephone of the roster that took the call.
    leg: String,
}

impl<'a> Phone<'a> {
    pub fn new(line: &'a TestLine, pbx: Option<&'a Pbx>, can: Capabilities) -> Self {
        Self {
            line,
            pbx,
            can,
            view: None,
            channel: String::new(),
            leg: String::new(),
        }
    }

    pub fn everything_twice(&self) {
        self.faults(Faults::default(), pbx::Faults::default());
    }

    /// Recordings are told of after the call, and are not there at once.
    pub fn recordings_late(&self) {
        let usual = Faults {
            callbacks: Callbacks::AfterCall,
            not_yet: 1,
            ..Faults::default()
        };
        let pbx = pbx::Faults {
            recording_after_end: true,
            not_yet: 1,
            ..pbx::Faults::default()
        };
        self.faults(usual, pbx);
    }

    /// What became of a recording is told before what ended it.
    pub fn recordings_first(&self) {
        let usual = Faults {
            callbacks: Callbacks::BeforeAction,
            ..Faults::default()
        };
        let pbx = pbx::Faults {
            recording_first: true,
            ..pbx::Faults::default()
        };
        self.faults(usual, pbx);
    }

    fn faults(&self, usual: Faults, pbx: pbx::Faults) {
        self.line.exchange.set_faults(Faults {
            twice: true,
            ..usual
        });
        if let Some(own) = self.pbx {
            own.set_faults(pbx::Faults { twice: true, ..pbx });
        }
    }

    pub async fn dial(&mut self) {
        match self.pbx {
            Some(pbx) => self.channel = pbx.call(CALLER, NUMBER).await,
            None => self.view = Some(self.line.exchange.dial(CALLER, NUMBER).await.unwrap()),
        }
    }

    fn id(&self) -> &str {
        &self.view.as_ref().expect("a call").id
    }

    pub async fn press(&mut self, keys: &str) {
        match self.pbx {
            Some(pbx) => {
                for key in keys.chars() {
                    pbx.press(&self.channel, key).await;
                }
            }
            None => self.view = Some(self.line.exchange.press(self.id(), keys).await.unwrap()),
        }
    }

    pub async fn keep_silent(&mut self) {
        match self.pbx {
            Some(pbx) => pbx.keep_silent(&self.channel).await,
            None => self.view = Some(self.line.exchange.keep_silent(self.id()).await.unwrap()),
        }
    }

    /// Says something, and ends the recording with the key, by silence or at the limit. Where silence ends nothing, who
    /// is silent presses the key in the end.
    pub async fn say(&mut self, n: u8, end: SpeechEnd) {
        let end = match end {
            SpeechEnd::Silence if !self.can.hears_silence => SpeechEnd::Key,
            end => end,
        };
        match self.pbx {
            Some(pbx) => {
                let end = match end {
                    SpeechEnd::Key => SpeechEnds::Key,
                    SpeechEnd::Silence => SpeechEnds::Silence,
                    SpeechEnd::Limit => SpeechEnds::Limit,
                };
                pbx.speak_until(&self.channel, speech(n), end).await;
            }
            None => {
                let exchange = &self.line.exchange;
                let spoken = exchange.speak(self.id(), speech(n), Some(end)).await;
                self.view = Some(spoken.unwrap());
            }
        }
    }

    pub async fn say_and_hang_up(&mut self, n: u8) {
        match self.pbx {
            Some(pbx) => pbx.hang_up(&self.channel, Some(speech(n))),
            None => {
                let exchange = &self.line.exchange;
                exchange.speak(self.id(), speech(n), None).await.unwrap();
                self.hang_up().await;
            }
        }
    }

    /// Says something while nobody hears of it: neither that it was recorded, nor that the call is over then.
    pub async fn say_unheard(&mut self, n: u8) {
        match self.pbx {
            Some(pbx) => {
                pbx.disconnect();
                pbx.hang_up(&self.channel, Some(speech(n)));
                let url = &self.line.url;
                pbx.dial_service(url, TOKEN).await.expect("accepted");
            }
            None => {
                let lost = Faults {
                    drop_action: true,
                    callbacks: Callbacks::Never,
                    ..Faults::default()
                };
                self.faults(lost, pbx::Faults::default());
                self.say(n, SpeechEnd::Key).await;
            }
        }
    }

    pub async fn hang_up(&mut self) {
        match self.pbx {
            Some(pbx) => pbx.hang_up(&self.channel, None),
            None => self.view = Some(self.line.exchange.hang_up(self.id()).await.unwrap()),
        }
    }

    /// Asks for the duty inspector. Each of the roster who is rung does this; the last one may be asked on.
    pub async fn ask_for_duty(&mut self, answers: &[Answers]) {
        for (number, answers) in ROSTER.iter().zip(answers) {
            let keys = match answers {
                Answers::Takes => "1",
                _ => "",
            };
            let answering = match answers {
                Answers::Nothing => Answering::Nobody,
                _ => Answering::PicksUp {
                    keys: keys.to_owned(),
                },
            };
            self.line.exchange.set_answering(number, answering);
        }
        self.press("2").await;
        for answers in answers {
            match (self.pbx, answers) {
                (Some(pbx), Answers::Nothing) => pbx.nobody_picks_up(&self.channel).await,
                (Some(pbx), Answers::Voicemail) => {
                    pbx.pick_up(&self.channel).await;
                    pbx.press_nothing_there(&self.channel).await;
                }
                (Some(pbx), Answers::Takes) => {
                    self.leg = pbx.pick_up(&self.channel).await;
                    pbx.press_there(&self.channel, &self.leg, '1').await;
                }
                (None, Answers::Nothing) => self.keep_silent().await,
                (None, _) => {}
            }
        }
    }

    /// Calls, and is not told of a duty inspector; the key is as wrong as any other.
    pub async fn is_not_offered_duty(&mut self) {
        self.dial().await;
        let offered = self.heard();
        assert!(
            offered.contains("请按1") && !offered.contains("请按2"),
            "{offered}"
        );
        self.press("2").await;
        assert!(!self.is_talking().await && !self.may_speak().await);
        self.hang_up().await;
    }

    /// Calls, and never says or does anything.
    pub async fn is_silent_to_the_end(&mut self) {
        self.dial().await;
        for _ in 0..8 {
            self.keep_silent().await;
        }
        assert!(self.is_over().await);
    }

    fn heard(&self) -> String {
        let heard = self.view.iter().flat_map(|view| &view.heard);
        let words = heard.filter_map(|heard| match heard {
            Heard::Say { say, .. } => Some(say.as_str()),
            _ => None,
        });
        words.collect()
    }

    pub async fn duty_hangs_up(&mut self) {
        match self.pbx {
            Some(pbx) => pbx.hang_up_there(&self.channel, &self.leg).await,
            None => self.view = Some(self.line.exchange.other_hangs_up(self.id()).await.unwrap()),
        }
    }

    /// The receipt that was heard last.
    pub fn receipt(&self) -> String {
        match self.pbx {
            Some(pbx) => pbx.receipt(&self.channel),
            None => spoken::receipt(&self.heard()).expect("a receipt"),
        }
    }

    pub async fn may_speak(&self) -> bool {
        match self.pbx {
            Some(pbx) => matches!(pbx.waits(&self.channel).await, Waiting::Speech(_)),
            None => matches!(self.waiting(), WaitingFor::Speech { .. }),
        }
    }

    pub async fn is_talking(&self) -> bool {
        match self.pbx {
            Some(pbx) => pbx.waits(&self.channel).await == Waiting::Talking,
            None => matches!(self.waiting(), WaitingFor::Talking { .. }),
        }
    }

    pub async fn is_over(&self) -> bool {
        match self.pbx {
            Some(pbx) => pbx.waits(&self.channel).await == Waiting::Over,
            None => matches!(self.waiting(), WaitingFor::Nothing),
        }
    }

    fn waiting(&self) -> &WaitingFor {
        &self.view.as_ref().expect("a call").waiting
    }

    /// Waits until the call is settled: its receipt works from then on.
    pub async fn until_settled(&self) {
        self.line.until_settled().await;
    }
}
