//! A browser's window: a person's actions and what is visible.

use super::driver::Driver;
use crate::support::DEADLINE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Environment variable with the folder for pictures.
const SCREENSHOTS: &str = "DUTYLINE_SCREENSHOTS";
/// Pause between two polls of a page.
const BREATH: Duration = Duration::from_millis(20);
/// Isolated on this machine, with a microphone that needs no permission.
const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--lang=zh-CN",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
];

/// A browser with its own profile, and its only window.
pub struct Window {
    client: Client,
    // Dropped after the client: the browser ends with it.
    _driver: Driver,
}

impl Window {
    /// Opens a browser that prefers Chinese.
    pub async fn open() -> Self {
        Self::with(Driver::start().await, None).await
    }

    /// Opens a browser whose microphone plays this WAV file once, then silence.
    pub async fn hearing(wav: &[u8]) -> Self {
        let driver = Driver::start().await;
        let file = driver.folder().join("heard.wav");
        std::fs::write(&file, wav).expect("a file");
        let file = format!(
            "--use-file-for-fake-audio-capture={}%noloop",
            file.display()
        );
        Self::with(driver, Some(file)).await
    }

    async fn with(driver: Driver, microphone: Option<String>) -> Self {
        let profile = format!(
            "--user-data-dir={}",
            driver.folder().join("profile").display()
        );
        let arguments: Vec<&str> = ARGUMENTS
            .into_iter()
            .chain([profile.as_str()])
            .chain(microphone.as_deref())
            .collect();
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {"intl.accept_languages": "zh-CN,zh"},
            },
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let wanted: Capabilities = serde_json::from_value(wanted).expect("capabilities");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&driver.url())
            .await
            .expect("a browser");
        Self {
            client,
            _driver: driver,
        }
    }

    /// Opens a page.
    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    /// Waits for the element that a CSS selector names, and returns it.
    pub async fn wait_for(&self, css: &str) -> Element {
        self.wait(Locator::Css(css)).await
    }

    /// Waits until the element with this id contains this text.
    pub async fn wait_for_text(&self, id: &str, text: &str) {
        let path = format!("//*[@id='{id}'][contains(., '{text}')]");
        self.wait(Locator::XPath(&path)).await;
    }

    /// Waits until an XPath finds an element.
    pub async fn wait_for_path(&self, path: &str) {
        self.wait(Locator::XPath(path)).await;
    }

    async fn wait(&self, what: Locator<'_>) -> Element {
        let wait = self.client.wait().at_most(DEADLINE).every(BREATH);
        match wait.for_element(what).await {
            Ok(element) => element,
            Err(error) => {
                let page = self.text("body").await;
                let log = self.log().await;
                panic!("{what:?}: {error}\n{page}\n{log:?}")
            }
        }
    }

    /// Waits until a script returns `true`.
    pub async fn until(&self, script: &str) {
        let wait = async {
            // Fails between two pages, when none is loaded.
            while !matches!(
                self.client.execute(script, vec![]).await,
                Ok(Value::Bool(true))
            ) {
                tokio::time::sleep(BREATH).await;
            }
        };
        if tokio::time::timeout(DEADLINE, wait).await.is_err() {
            let page = self.text("body").await;
            panic!("{script}\n{page}\n{:?}", self.log().await);
        }
    }

    /// Opens another tab and switches to it. Returns the previous one.
    pub async fn new_tab(&self) -> WindowHandle {
        let before = self.client.window().await.expect("a tab");
        let new = self.client.new_window(true).await.expect("another tab");
        self.to_tab(new.handle).await;
        before
    }

    /// Switches to this tab.
    pub async fn to_tab(&self, tab: WindowHandle) {
        self.client.switch_to_window(tab).await.expect("the tab");
    }

    /// Switches to the tab that a page has opened, besides the known ones.
    pub async fn to_opened_tab(&self, known: &[&WindowHandle]) {
        let find = async {
            loop {
                let all = self.client.windows().await.expect("the tabs");
                if let Some(new) = all.into_iter().find(|tab| !known.contains(&tab)) {
                    return new;
                }
                tokio::time::sleep(BREATH).await;
            }
        };
        let new = tokio::time::timeout(DEADLINE, find).await;
        self.to_tab(new.expect("a tab is opened")).await;
    }

    /// Returns the current tab.
    pub async fn tab(&self) -> WindowHandle {
        self.client.window().await.expect("a tab")
    }

    /// Types into the field that a CSS selector names, after its text.
    pub async fn write(&self, css: &str, text: &str) {
        let field = self.wait_for(css).await;
        let written = field.send_keys(text).await;
        written.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Returns the path of the page's address.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.expect("an address");
        url.path().to_owned()
    }

    /// Clicks the element that a CSS selector names.
    pub async fn click(&self, css: &str) {
        let element = self.wait_for(css).await;
        self.until_still(css, &element).await;
        let clicked = element.click().await;
        clicked.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Waits until an element stops moving, because the driver reads its position and clicks there a moment later.
    async fn until_still(&self, css: &str, element: &Element) {
        let still = async {
            let mut before = None;
            loop {
                // An element that is being replaced has no position; the click will fail.
                let now = element.rectangle().await.ok();
                if now == before {
                    return;
                }
                before = now;
                tokio::time::sleep(BREATH).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, still).await;
        assert!(waited.is_ok(), "{css} does not stand still");
    }

    /// Clicks a link to another page, and waits until that is loaded, because the page before may look the same.
    pub async fn follow(&self, css: &str) {
        self.script("window.before = true;").await;
        self.click(css).await;
        self.arrived().await;
    }

    /// Waits until the page is not the one marked as the previous one.
    async fn arrived(&self) {
        let arrived = "return window.before === undefined && document.readyState === 'complete';";
        self.until(arrived).await;
    }

    /// Types keys that lead to another page, and waits until that is loaded.
    pub async fn keys_follow(&self, keys: &str) {
        self.script("window.before = true;").await;
        self.keys(keys).await;
        self.arrived().await;
    }

    /// Types on the keyboard, into the focused element.
    pub async fn keys(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("a page");
        focused.send_keys(keys).await.expect("a keyboard");
    }

    /// Returns the visible text of the element that a CSS selector names.
    pub async fn text(&self, css: &str) -> String {
        let element = self.client.find(Locator::Css(css)).await;
        let text = element.expect(css).text().await;
        text.expect("a text")
    }

    /// Runs a script. Returns its `return` value, or the value of its promise.
    pub async fn script(&self, script: &str) -> Value {
        let result = self.client.execute(script, vec![]).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Sets the size of the page, and dark or light.
    pub async fn look(&self, (width, height): (u32, u32), dark: bool) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        // Scroll bars take room on some systems and none on others.
        self.devtools("Emulation.setScrollbarsHidden", json!({"hidden": true}))
            .await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Sends a command of Chromium's own protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command(
            "goog/cdp/execute",
            json!({"cmd": command, "params": parameters}),
        )
        .await
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        let result = self.client.issue_cmd(Command { path, body }).await;
        result.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Takes a picture of the whole page, if pictures are wanted. In any case checks that nothing is cut off at the
    /// side.
    pub async fn picture(&self, name: &str) {
        let sizes =
            "const page = document.documentElement; return [page.scrollWidth, page.clientWidth];";
        let sizes = self.script(sizes).await;
        assert!(sizes[0].as_u64() <= sizes[1].as_u64(), "{name}: {sizes}");
        let Some(folder) = std::env::var_os(SCREENSHOTS).map(PathBuf::from) else {
            return;
        };
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.devtools("Page.captureScreenshot", whole).await;
        let picture = STANDARD.decode(picture["data"].as_str().expect("a picture"));
        let picture = picture.expect("base64");
        std::fs::create_dir_all(&folder).expect("the folder of pictures");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a file");
    }

    /// Returns the browser's log since the last call: errors, violations of the page's policy, the page's own messages.
    pub async fn log(&self) -> Vec<String> {
        let log = self.command("se/log", json!({"type": "browser"})).await;
        let lines = log.as_array().expect("a list");
        lines
            .iter()
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Ends the browser, after checking that its log is empty.
    pub async fn finish(self) {
        assert_eq!(self.log().await, [""; 0]);
        self.close().await;
    }

    /// Ends the browser.
    pub async fn close(self) {
        self.client.clone().close().await.expect("the browser ends");
    }
}

/// A command of ChromeDriver that is not in the standard.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(
        &self,
        base: &Url,
        session: Option<&str>,
    ) -> Result<Url, <Url as std::str::FromStr>::Err> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
