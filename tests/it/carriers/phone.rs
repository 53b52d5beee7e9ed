//! A caller's telephone, independent of the carrier.

use super::ROSTER;
use crate::support::feature_server::{self, FeatureServer};
use crate::support::pbx::{self, Pbx, SpeechEnds, Waiting};
use crate::support::{NUMBER, TOKEN, TestLine, speech, words};
use dutyline::simulator::call::WaitingFor;
use dutyline::simulator::dial_verb::Answering;
use dutyline::simulator::exchange::{PhoneView, SpeechEnd};
use dutyline::simulator::faults::{Callbacks, Faults};
use dutyline::simulator::spoken;
use dutyline::telephony::Capabilities;

const CALLER: &str = "+8613800138000";

/// How a person on the roster reacts to the ringing telephone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Answers and presses 1.
    Takes,
    /// Lets it ring.
    Nothing,
    /// A voicemail answers, and presses nothing.
    Voicemail,
}

/// The carrier, where it is not the default provider of a line under test.
#[derive(Clone, Copy)]
pub enum Far<'a> {
    Usual,
    Pbx(&'a Pbx),
    Jambonz(&'a FeatureServer),
}

use Far::{Jambonz, Usual};

/// A caller's telephone. It makes one call after the other.
pub struct Phone<'a> {
    line: &'a TestLine,
    far: Far<'a>,
    can: Capabilities,
    view: Option<PhoneView>,
    channel: String,
    /// The leg of the inspector who accepted the call.
    leg: String,
}

impl<'a> Phone<'a> {
    pub fn new(line: &'a TestLine, far: Far<'a>, can: Capabilities) -> Self {
        Self {
            line,
            far,
            can,
            view: None,
            channel: String::new(),
            leg: String::new(),
        }
    }

    pub fn everything_twice(&self) {
        self.faults(
            Faults::default(),
            pbx::Faults::default(),
            feature_server::Faults::default(),
        );
    }

    /// Recordings are announced after the call, and cannot be fetched at once.
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
        // jambonz announces no recordings: its stream ends only after the call.
        let jambonz = feature_server::Faults {
            status_first: true,
            ..feature_server::Faults::default()
        };
        self.faults(usual, pbx, jambonz);
    }

    /// A step's webhook says that something was recorded; the callback that names the recording comes after the call,
    /// or never. Carriers that send a single message per recording send it as usual.
    pub fn callbacks(&self, callbacks: Callbacks) {
        let usual = Faults {
            callbacks,
            ..Faults::default()
        };
        self.faults(
            usual,
            pbx::Faults::default(),
            feature_server::Faults::default(),
        );
    }

    /// A recording is announced before the event that ended it.
    pub fn recordings_first(&self) {
        let usual = Faults {
            callbacks: Callbacks::BeforeAction,
            ..Faults::default()
        };
        let pbx = pbx::Faults {
            recording_first: true,
            ..pbx::Faults::default()
        };
        // With jambonz it is the reverse: the event that ends a recording comes before its stream is closed.
        let jambonz = feature_server::Faults {
            hook_first: true,
            ..feature_server::Faults::default()
        };
        self.faults(usual, pbx, jambonz);
    }

    fn faults(&self, usual: Faults, pbx: pbx::Faults, jambonz: feature_server::Faults) {
        self.line.exchange.set_faults(Faults {
            twice: true,
            ..usual
        });
        match self.far {
            Usual => {}
            Far::Pbx(own) => own.set_faults(pbx::Faults { twice: true, ..pbx }),
            Jambonz(own) => own.set_faults(feature_server::Faults {
                twice: true,
                ..jambonz
            }),
        }
    }

    pub async fn dial(&mut self) {
        match self.far {
            Far::Pbx(pbx) => self.channel = pbx.call(CALLER, NUMBER).await,
            Jambonz(server) => self.channel = server.call(CALLER, NUMBER).await,
            Usual => self.view = Some(self.line.exchange.dial(CALLER, NUMBER).await.unwrap()),
        }
    }

    fn id(&self) -> &str {
        &self.view.as_ref().expect("a call").id
    }

    pub async fn press(&mut self, keys: &str) {
        match self.far {
            Far::Pbx(pbx) => {
                for key in keys.chars() {
                    pbx.press(&self.channel, key).await;
                }
            }
            Jambonz(server) => server.press(&self.channel, keys).await,
            Usual => self.view = Some(self.line.exchange.press(self.id(), keys).await.unwrap()),
        }
    }

    pub async fn keep_silent(&mut self) {
        match self.far {
            Far::Pbx(pbx) => pbx.keep_silent(&self.channel).await,
            Jambonz(server) => server.keep_silent(&self.channel).await,
            Usual => self.view = Some(self.line.exchange.keep_silent(self.id()).await.unwrap()),
        }
    }

    /// Records audio, and ends the recording with the key, by silence or at the limit. Where the provider does not
    /// detect silence, the key ends it instead.
    pub async fn say(&mut self, n: u8, end: SpeechEnd) {
        let end = match end {
            SpeechEnd::Silence if !self.can.hears_silence => SpeechEnd::Key,
            end => end,
        };
        match self.far {
            Far::Pbx(pbx) => {
                let end = match end {
                    SpeechEnd::Key => SpeechEnds::Key,
                    SpeechEnd::Silence => SpeechEnds::Silence,
                    SpeechEnd::Limit => SpeechEnds::Limit,
                };
                pbx.speak_until(&self.channel, speech(n), end).await;
            }
            Jambonz(server) => {
                let end = match end {
                    SpeechEnd::Key => feature_server::SpeechEnds::Key,
                    SpeechEnd::Silence => feature_server::SpeechEnds::Silence,
                    SpeechEnd::Limit => feature_server::SpeechEnds::Limit,
                };
                server.speak(&self.channel, &speech(n), end).await;
            }
            Usual => {
                let exchange = &self.line.exchange;
                let spoken = exchange.speak(self.id(), speech(n), Some(end)).await;
                self.view = Some(spoken.unwrap());
            }
        }
    }

    pub async fn say_and_hang_up(&mut self, n: u8) {
        match self.far {
            Far::Pbx(pbx) => pbx.hang_up(&self.channel, Some(speech(n))),
            Jambonz(server) => server.hang_up(&self.channel, Some(&speech(n))).await,
            Usual => {
                let exchange = &self.line.exchange;
                exchange.speak(self.id(), speech(n), None).await.unwrap();
                self.hang_up().await;
            }
        }
    }

    /// Records audio and loses the webhooks: neither the recording nor the end of the call is announced.
    pub async fn say_unheard(&mut self, n: u8) {
        match self.far {
            Far::Pbx(pbx) => {
                pbx.disconnect();
                pbx.hang_up(&self.channel, Some(speech(n)));
                let url = &self.line.url;
                pbx.dial_service(url, TOKEN).await.expect("accepted");
            }
            Jambonz(server) => {
                // After two failed requests for the next verbs jambonz hangs up, and posts that.
                server.set_faults(feature_server::Faults {
                    hooks_lost: true,
                    ..feature_server::Faults::default()
                });
                let end = feature_server::SpeechEnds::Key;
                server.speak(&self.channel, &speech(n), end).await;
            }
            Usual => {
                let lost = Faults {
                    drop_action: true,
                    callbacks: Callbacks::Never,
                    ..Faults::default()
                };
                self.faults(
                    lost,
                    pbx::Faults::default(),
                    feature_server::Faults::default(),
                );
                self.say(n, SpeechEnd::Key).await;
            }
        }
    }

    pub async fn hang_up(&mut self) {
        match self.far {
            Far::Pbx(pbx) => pbx.hang_up(&self.channel, None),
            Jambonz(server) => server.hang_up(&self.channel, None).await,
            Usual => self.view = Some(self.line.exchange.hang_up(self.id()).await.unwrap()),
        }
    }

    /// Asks for the duty inspector. The people on the roster react in this order, as far as they are rung.
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
            match (self.far, answers) {
                (Far::Pbx(pbx), Answers::Nothing) => pbx.nobody_picks_up(&self.channel).await,
                (Far::Pbx(pbx), Answers::Voicemail) => {
                    pbx.pick_up(&self.channel).await;
                    pbx.press_nothing_there(&self.channel).await;
                }
                (Far::Pbx(pbx), Answers::Takes) => {
                    self.leg = pbx.pick_up(&self.channel).await;
                    pbx.press_there(&self.channel, &self.leg, '1').await;
                }
                (Jambonz(server), Answers::Nothing) => server.nobody_picks_up(&self.channel).await,
                (Jambonz(server), answers) => {
                    server.pick_up(&self.channel).await;
                    let key = (*answers == Answers::Takes).then_some('1');
                    server.press_there(&self.channel, key).await;
                }
                (Usual, Answers::Nothing) => self.keep_silent().await,
                (Usual, _) => {}
            }
        }
    }

    /// Calls and checks that no duty inspector is offered, and that the key is treated as any wrong one.
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

    /// Calls, and neither speaks nor presses a key until the call ends.
    pub async fn is_silent_to_the_end(&mut self) {
        self.dial().await;
        for _ in 0..8 {
            self.keep_silent().await;
        }
        assert!(self.is_over().await);
    }

    fn heard(&self) -> String {
        self.view.as_ref().map(words).unwrap_or_default()
    }

    pub async fn duty_hangs_up(&mut self) {
        match self.far {
            Far::Pbx(pbx) => pbx.hang_up_there(&self.channel, &self.leg).await,
            Jambonz(server) => server.hang_up_there(&self.channel).await,
            Usual => self.view = Some(self.line.exchange.other_hangs_up(self.id()).await.unwrap()),
        }
    }

    /// Returns the receipt that was heard last.
    pub fn receipt(&self) -> String {
        match self.far {
            Far::Pbx(pbx) => pbx.receipt(&self.channel),
            Jambonz(server) => {
                let heard = server.all_heard(&self.channel);
                spoken::receipt(&heard).expect("a receipt")
            }
            Usual => spoken::receipt(&self.heard()).expect("a receipt"),
        }
    }

    pub async fn may_speak(&self) -> bool {
        match self.far {
            Far::Pbx(pbx) => matches!(pbx.waits(&self.channel).await, Waiting::Speech(_)),
            Jambonz(server) => {
                let waiting = server.waits(&self.channel);
                matches!(waiting, feature_server::Waiting::Speech(_))
            }
            Usual => matches!(self.waiting(), WaitingFor::Speech { .. }),
        }
    }

    pub async fn is_talking(&self) -> bool {
        match self.far {
            Far::Pbx(pbx) => pbx.waits(&self.channel).await == Waiting::Talking,
            Jambonz(server) => server.waits(&self.channel) == feature_server::Waiting::Talking,
            Usual => matches!(self.waiting(), WaitingFor::Talking { .. }),
        }
    }

    pub async fn is_over(&self) -> bool {
        match self.far {
            Far::Pbx(pbx) => pbx.waits(&self.channel).await == Waiting::Over,
            Jambonz(server) => server.waits(&self.channel) == feature_server::Waiting::Over,
            Usual => matches!(self.waiting(), WaitingFor::Nothing),
        }
    }

    fn waiting(&self) -> &WaitingFor {
        &self.view.as_ref().expect("a call").waiting
    }

    /// Waits until the call is settled; its receipt is valid from then on.
    pub async fn until_settled(&self) {
        self.line.until_settled().await;
    }
}
