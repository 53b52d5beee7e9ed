//! The simulated telephone, as a first-time user operates it.

use super::Window;
use crate::duty::{FIRST, answers, roster};
use crate::support::{DEADLINE, Database, OPEN, TestLine, pause};
use dutyline::base::clock::instant;
use dutyline::simulator::SAMPLE;
use dutyline::simulator::recordings::wav_millis;
use dutyline::simulator::webhook::Sent;
use serde_json::{Value, json};

/// A line, and a browser at its telephone.
struct Caller {
    line: TestLine,
    window: Window,
}

impl Caller {
    async fn new(window: Window) -> Self {
        Self::at_line(TestLine::open(Database::sqlite()).await, window).await
    }

    async fn at_line(line: TestLine, window: Window) -> Self {
        let caller = Self { line, window };
        caller.open().await;
        caller
    }

    async fn open(&self) {
        let url = format!("{}/phone", self.line.url);
        self.window.goto(&url).await;
        self.at("idle").await;
    }

    /// Waits until the telephone is in a state.
    async fn at(&self, state: &str) {
        self.window
            .wait_for(&format!("#phone[data-state={state}]"))
            .await;
    }

    async fn dial(&self) {
        self.window.click("#dial .main").await;
        self.at("keys").await;
    }

    async fn press(&self, key: char) {
        self.window.click(&format!("[data-key='{key}']")).await;
    }

    async fn say_the_sample(&self) {
        self.window.click("#sample").await;
        self.at("spoken").await;
    }

    /// Returns the receipt on the page, after checking that the line has said it twice.
    async fn receipt(&self) -> String {
        let shown = self.window.text("#receipt-digits").await;
        let receipt = shown.replace(' ', "");
        assert_eq!(receipt.len(), 12, "{shown}");
        let spaced: Vec<String> = receipt.chars().map(String::from).collect();
        let said = self.window.text("#transcript").await;
        let sentence = format!("您的回执号是：{}。", spaced.join(" "));
        assert_eq!(said.matches(&sentence).count(), 2, "{said}");
        receipt
    }

    /// Returns the only report, and its recording.
    async fn report(&self) -> (Value, bytes::Bytes) {
        self.line.idle().await;
        let lead = self.line.lead().await;
        let report = lead.only_report().await;
        let recording = lead.recording(&report, 1).await;
        (report, recording)
    }

    /// Waits until the line has been told that `count` calls are over.
    async fn over(&self, count: usize) {
        let told = async {
            loop {
                let sent = self.line.exchange.sent();
                let ended = |sent: &&Sent| sent.webhook.field("CallStatus") == Some("completed");
                let status = sent
                    .iter()
                    .filter(|sent| sent.webhook.url.ends_with("/status"));
                if status.filter(ended).count() == count {
                    return;
                }
                pause().await;
            }
        };
        let told = tokio::time::timeout(DEADLINE, told).await;
        told.expect("the line is told");
    }

    async fn finish(self) {
        self.window.finish().await;
        self.line.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_from_dialling_to_the_receipt() {
    let caller = Caller::new(Window::open().await).await;
    caller.dial().await;
    let greeting = caller.window.text("#transcript li:nth-child(2)").await;
    assert!(
        greeting.contains("这里是防城港市委第五巡察组值班电话"),
        "{greeting}"
    );
    caller.press('1').await;
    caller.at("speech").await;
    caller.say_the_sample().await;
    caller.press('#').await;
    caller.at("keys").await;
    caller.press('1').await;
    caller.at("over").await;
    caller.receipt().await;
    let (report, recording) = caller.report().await;
    assert_eq!(report["reference"], "2024-0001");
    assert_eq!(recording, SAMPLE);
    caller.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_roster_is_rung_and_somebody_speaks() {
    let line = TestLine::with(Database::sqlite(), OPEN, roster).await;
    let caller = Caller::at_line(line, Window::open().await).await;
    // No inspector answers: both telephones are given up, then a report is asked for.
    caller.dial().await;
    caller.press('2').await;
    caller.at("rung").await;
    assert_eq!(caller.window.text("#state").await, "正在呼叫值班人员……");
    caller.window.click("#silence").await;
    caller.window.click("#silence").await;
    caller.at("speech").await;
    caller.window.click("#hangup").await;
    caller.at("over").await;
    // The first inspector answers.
    answers(&caller.line, FIRST, "1");
    caller.dial().await;
    caller.press('2').await;
    caller.at("talk").await;
    assert_eq!(caller.window.text("#state").await, "正在与值班人员通话");
    caller.window.click("#hangup").await;
    caller.at("over").await;
    caller.over(2).await;
    caller.line.idle().await;
    let report = caller.line.lead().await.only_report().await;
    assert_eq!(report["source"], "live");
    caller.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_plays_what_was_said() {
    let caller = Caller::new(Window::open().await).await;
    caller.dial().await;
    caller.press('1').await;
    caller.at("speech").await;
    caller.say_the_sample().await;
    caller.press('#').await;
    caller.at("keys").await;
    caller.press('2').await;
    caller.window.wait_for("#transcript audio").await;
    let played = "const audio = document.querySelector('#transcript audio');
        if (audio.readyState === 0) await new Promise((done) => { audio.onloadedmetadata = done; });
        const bytes = await (await fetch(location.origin + '/phone/sample.wav')).arrayBuffer();
        return [audio.duration, bytes.byteLength];";
    let played = caller.window.script(&promised(played)).await;
    let seconds = wav_millis(SAMPLE).unwrap() as f64 / 1000.0;
    assert!(
        (played[0].as_f64().unwrap() - seconds).abs() < 0.01,
        "{played}"
    );
    caller.window.click("#hangup").await;
    caller.at("over").await;
    caller.finish().await;
}

/// Wraps a script in an async function, so that it may await.
fn promised(script: &str) -> String {
    format!("return (async () => {{ {script} }})();")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_through_the_microphone() {
    let caller = Caller::new(Window::hearing(SAMPLE).await).await;
    caller.dial().await;
    caller.press('1').await;
    caller.at("speech").await;
    let begun = instant();
    caller.window.click("#speak").await;
    caller.at("taking").await;
    caller
        .window
        .wait_for_path("//*[@id='taking'][@data-seconds >= 3]")
        .await;
    caller.press('#').await;
    caller.at("keys").await;
    let longest = begun.elapsed().as_secs_f64();
    caller.press('1').await;
    caller.at("over").await;
    caller.receipt().await;
    let (_, recording) = caller.report().await;

    // PCM, one channel, 8000 Hz, 16 bits.
    assert_eq!(recording[20..24], [1, 0, 1, 0]);
    assert_eq!(recording[24..28], 8000u32.to_le_bytes());
    assert_eq!(recording[34..36], [16, 0]);
    let seconds = wav_millis(&recording).unwrap() as f64 / 1000.0;
    assert!((3.0..=longest).contains(&seconds), "{seconds} of {longest}");
    let transcript = caller.window.text("#transcript").await;
    assert!(
        transcript.contains(&format!("说了 {seconds:.1} 秒")),
        "{seconds}: {transcript}"
    );
    assert!(loudness(&recording) > 300.0, "{}", loudness(&recording));
    caller.finish().await;
}

/// Returns the root mean square of a recording's samples.
fn loudness(wav: &[u8]) -> f64 {
    let squares: Vec<f64> = wav[44..]
        .chunks_exact(2)
        .map(|sample| f64::from(i16::from_le_bytes([sample[0], sample[1]])).powi(2))
        .collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_telephone_cannot_carry_is_taken_out() {
    let caller = Caller::new(Window::open().await).await;
    // Tones of a given pitch, converted from a microphone's rate to the telephone's: their loudness, and the number of
    // samples.
    let tones = "const { Resampler } = await import('/phone/assets/resampler.js');
        const results = [];
        for (const rate of [44100, 48000, 16000]) {
          for (const pitch of [300, 1000, 3200, 4600, 6000, 7700]) {
            const resampler = new Resampler(rate, 8000);
            const out = [];
            for (let at = 0; at < rate; at += 128) {
              const block = Float32Array.from({ length: Math.min(128, rate - at) }, (_, i) =>
                Math.SQRT2 * Math.sin((2 * Math.PI * pitch * (at + i)) / rate));
              out.push(...resampler.push(block));
            }
            out.push(...resampler.end());
            const middle = out.slice(1000, 7000);
            const loudness = Math.sqrt(middle.reduce((sum, x) => sum + x * x, 0) / middle.length);
            results.push([rate, pitch, loudness, out.length]);
          }
        }
        return results;";
    let tones = caller.window.script(&promised(tones)).await;
    let tones = tones.as_array().unwrap();
    assert_eq!(tones.len(), 18);
    for tone in tones {
        let [pitch, loudness] = [&tone[1], &tone[2]].map(|value| value.as_f64().unwrap());
        if pitch < 4000.0 {
            assert!((0.98..1.02).contains(&loudness), "{tone}");
        } else {
            // 60 dB down.
            assert!(loudness < 0.001, "{tone}");
        }
        assert!(
            (7_999..=8_001).contains(&tone[3].as_u64().unwrap()),
            "{tone}"
        );
    }
    caller.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_microphone_that_is_refused() {
    let caller = Caller::new(Window::open().await).await;
    caller.dial().await;
    caller.press('1').await;
    caller.at("speech").await;
    let refused = "navigator.mediaDevices.getUserMedia =
        () => Promise.reject(new DOMException('', 'NotAllowedError'));";
    caller.window.script(refused).await;
    caller.window.click("#speak").await;
    caller.window.wait_for_text("problem", "麦克风权限").await;
    caller.window.look((375, 812), true).await;
    caller.window.picture("375-dark-refused").await;
    // The call goes on.
    caller.say_the_sample().await;
    caller.window.click("#hangup").await;
    caller.at("over").await;
    caller.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_keyboard_alone() {
    let caller = Caller::new(Window::open().await).await;
    // Tab order: silence, other language, number, caller; in the last one Enter dials.
    let tab = "\u{e004}";
    caller.window.keys(&tab.repeat(3)).await;
    assert_eq!(focused(&caller.window).await, "to");
    // A digit typed in a field belongs to the field.
    caller.window.keys(tab).await;
    caller.window.keys("13800138000\u{e007}").await;
    caller.at("keys").await;
    // The focused element is gone: the focus moves to the state of the call.
    assert_eq!(focused(&caller.window).await, "state");
    caller.window.keys("1").await;
    caller.at("speech").await;
    caller.window.keys(tab).await;
    assert_eq!(focused(&caller.window).await, "speak");
    let outline = "return getComputedStyle(document.activeElement).outlineStyle;";
    assert_eq!(caller.window.script(outline).await, "solid");
    caller.window.keys(tab).await;
    caller.window.keys(" ").await;
    caller.at("spoken").await;
    caller.window.keys("#").await;
    caller.at("keys").await;
    caller.window.keys("1").await;
    caller.at("over").await;
    caller.receipt().await;
    let (report, recording) = caller.report().await;
    assert_eq!(recording, SAMPLE);
    assert!(report.to_string().contains("13800138000"), "{report}");
    caller.finish().await;
}

async fn focused(window: &Window) -> String {
    let id = window.script("return document.activeElement.id;").await;
    id.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_other_language() {
    let caller = Caller::new(Window::open().await).await;
    assert_eq!(caller.window.text("#state").await, "拨打值班电话");
    caller.dial().await;
    caller.window.click("#language").await;
    caller.window.wait_for("html[lang=en]").await;
    assert_eq!(caller.window.text("#state").await, "Press a key");
    // Spoken words stay in their language; the speaker's label is translated.
    let first = caller.window.text("#transcript li").await;
    assert!(first.contains("dials 18877009155"), "{first}");
    let said = caller.window.text("#transcript").await;
    assert!(said.contains("反映问题，请按1。"), "{said}");
    let every = "return [...document.querySelectorAll('[data-word], [data-label]')]
        .filter((it) => /[\\u4e00-\\u9fff]/.test(it.textContent + it.ariaLabel)).length;";
    assert_eq!(caller.window.script(every).await, 0);
    // The line has its own key for that.
    caller.press('9').await;
    caller.window.wait_for_text("transcript", "press 1").await;
    caller.window.look((375, 812), false).await;
    caller.window.picture("375-light-english").await;
    caller.open().await;
    // Leaving the page hung up.
    caller.over(1).await;
    caller.window.wait_for("html[lang=en]").await;
    caller.window.click("#language").await;
    caller.window.wait_for("html[lang=zh-CN]").await;
    caller.finish().await;
}

/// The positions of the buttons in a state, with the sign that the line is speaking and without it. The sign disappears
/// when the line has finished, possibly at the moment of a click.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buttons_stay_where_they_are_when_the_line_falls_silent() {
    let caller = Caller::new(Window::open().await).await;
    let places = async |buttons: &str| {
        let script = format!(
            "const sign = document.getElementById('talking');
            const tops = () => [...document.querySelectorAll('{buttons}')].map((button) => button.getBoundingClientRect().top);
            const hidden = sign.hidden;
            sign.hidden = false;
            const speaking = tops();
            sign.hidden = true;
            const silent = tops();
            sign.hidden = hidden;
            return [speaking, silent];"
        );
        let places = caller.window.script(&script).await;
        let [speaking, silent] = [0, 1].map(|when| places[when].as_array().unwrap().clone());
        assert!(!speaking.is_empty(), "{buttons}");
        (speaking, silent)
    };
    caller.dial().await;
    let (speaking, silent) = places("#keypad button").await;
    assert_eq!(speaking, silent);
    caller.press('1').await;
    caller.at("speech").await;
    let (speaking, silent) = places("#speak, #sample, #keypad button, #hangup").await;
    assert_eq!(speaking, silent);
    caller.window.click("#hangup").await;
    caller.at("over").await;
    let (speaking, silent) = places("#dial .main").await;
    assert_eq!(speaking, silent);
    caller.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_speaks_unless_it_is_muted() {
    let caller = Caller::new(Window::open().await).await;
    // This machine has no voices: install one that speaks Chinese at once.
    let voice = "window.spoken = [];
        Object.defineProperty(window, 'speechSynthesis', { value: {
          getVoices: () => [{ lang: 'zh-CN' }],
          cancel() {},
          speak(utterance) {
            window.spoken.push([utterance.text, utterance.lang]);
            utterance.onend();
          },
        } });
        window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };";
    caller.window.script(voice).await;
    caller.dial().await;
    let all = "//body[not(//*[@id='talking'][not(@hidden)])]";
    caller.window.wait_for_path(all).await;
    let spoken = caller.window.script("return window.spoken;").await;
    assert_eq!(
        spoken[0],
        json!(["您好，这里是防城港市委第五巡察组值班电话。", "zh-CN"])
    );
    let count = spoken.as_array().unwrap().len();
    assert!(!spoken.to_string().contains("English"), "{spoken}");
    caller.window.click("#mute").await;
    caller.window.wait_for("#mute[aria-pressed=true]").await;
    caller.press('3').await;
    caller.window.wait_for_text("transcript", "专用信箱").await;
    let spoken = caller.window.script("return window.spoken;").await;
    assert_eq!(spoken.as_array().unwrap().len(), count);
    caller.window.click("#hangup").await;
    caller.at("over").await;
    caller.finish().await;
}

/// Disconnects the browser from the line, or connects it again.
async fn cut_off(window: &Window, offline: bool) {
    window.devtools("Network.enable", json!({})).await;
    let conditions = json!({
        "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
    });
    window
        .devtools("Network.emulateNetworkConditions", conditions)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_spoken_outlasts_a_broken_connection() {
    let caller = Caller::new(Window::hearing(SAMPLE).await).await;
    caller.dial().await;
    caller.press('1').await;
    caller.at("speech").await;
    caller.window.click("#speak").await;
    let second = "//*[@id='taking'][@data-seconds >= 1]";
    caller.window.wait_for_path(second).await;
    cut_off(&caller.window, true).await;
    caller.window.click("#stop").await;
    caller.at("unsent").await;
    caller.window.wait_for_text("problem", "连接中断").await;
    caller.window.picture("unsent").await;
    cut_off(&caller.window, false).await;
    caller.window.click("#resend").await;
    caller.at("spoken").await;
    caller.press('#').await;
    caller.at("keys").await;
    caller.press('1').await;
    caller.at("over").await;
    let (_, recording) = caller.report().await;
    assert!(wav_millis(&recording).unwrap() >= 1000);
    let log = caller.window.log().await;
    assert_eq!(log.len(), 1, "{log:?}");
    caller.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_told() {
    let caller = Caller::new(Window::open().await).await;
    caller.dial().await;
    cut_off(&caller.window, true).await;
    caller.press('1').await;
    caller.window.wait_for_text("problem", "连接中断").await;
    caller.window.picture("lost").await;
    cut_off(&caller.window, false).await;
    caller.press('1').await;
    caller.at("speech").await;
    caller.window.wait_for("#problem[hidden]").await;
    // The caller can hang up even if the line cannot be reached.
    cut_off(&caller.window, true).await;
    caller.window.click("#hangup").await;
    caller.at("over").await;
    cut_off(&caller.window, false).await;

    // The line does not know the call, as after a restart of the demo.
    caller.dial().await;
    let unknown = "const { Call } = await import('/phone/assets/line.js');
        Call.prototype.press = () => new Call('/phone/calls/CA0').silence();";
    caller.window.script(&promised(unknown)).await;
    caller.press('1').await;
    caller.window.wait_for_text("problem", "没有这通电话").await;
    caller.at("over").await;
    let log = caller.window.log().await;
    assert_eq!(log.len(), 3, "{log:?}");
    assert!(log[0].contains("ERR_INTERNET_DISCONNECTED"), "{log:?}");
    assert!(log[2].contains("404"), "{log:?}");
    caller.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_small_to_large_in_light_and_dark() {
    let caller = Caller::new(Window::hearing(SAMPLE).await).await;
    for dark in [false, true] {
        for size in [(375, 812), (768, 1024), (1440, 900)] {
            let shade = if dark { "dark" } else { "light" };
            let picture = async |state: &str| {
                let name = format!("{}-{shade}-{state}", size.0);
                caller.window.picture(&name).await;
            };
            caller.window.look(size, dark).await;
            caller.open().await;
            picture("before").await;
            caller.dial().await;
            picture("keys").await;
            caller.press('1').await;
            caller.at("speech").await;
            picture("speech").await;
            caller.window.click("#speak").await;
            caller.at("taking").await;
            caller
                .window
                .wait_for_path("//*[@id='taking'][@data-seconds >= 1]")
                .await;
            picture("taking").await;
            caller.window.click("#stop").await;
            caller.at("spoken").await;
            picture("spoken").await;
            caller.press('#').await;
            caller.at("keys").await;
            caller.press('2').await;
            caller.window.wait_for("#transcript audio").await;
            picture("review").await;
            caller.press('1').await;
            caller.at("over").await;
            picture("over").await;
        }
    }
    caller.finish().await;
}
