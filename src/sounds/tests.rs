//! The operator's folder, a synthesizer, and the files a provider plays.

use super::*;
use crate::audio::format::tests::tone;
use crate::config::EMBEDDED;
use std::fs;
use tempfile::TempDir;

const CALL: Uuid = Uuid::from_bytes([7; 16]);
const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// Configures the default line in a folder of its own, with a command for Chinese that appends the text to the file
/// `words` and prints a WAV file of half a second.
fn configured() -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("tone.wav"), tone(0.5)).unwrap();
    let command = format!("cat >>'{}'; cat '{}'", at("words"), at("tone.wav"));
    let toml =
        format!("{EMBEDDED}\n[prompts]\npassing = \"passing\"\nsynthesize.zh-CN = \"{command}\"\n");
    let config = Config::parse(&toml, "dutyline.toml", folder.path()).unwrap();
    (folder, config)
}

fn record(config: &Config, id: &str, sound: &[u8]) {
    let path = config.prompts.recording("zh-CN", id);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, sound).unwrap();
}

/// Returns how often the command was run: it has appended a line each time.
fn spoken(folder: &TempDir) -> usize {
    let words = fs::read_to_string(folder.path().join("words"));
    words.unwrap_or_default().lines().count()
}

fn greeting() -> Spoken {
    [
        Spoken::words("greeting-1", "您好，这里是"),
        Spoken::words("fcg-5-name", "防城港市委第五巡察组"),
        Spoken::words("greeting-2", "值班电话。"),
        Spoken::mark("。"),
    ]
    .into_iter()
    .collect()
}

#[tokio::test]
async fn gaps_are_filled_once() {
    let (folder, config) = configured();
    record(&config, "greeting-1", &tone(1.0));
    // A file in the wrong format counts as missing.
    record(&config, "greeting-2", b"ID3");
    let chinese = places(&config, Some("zh-CN")).len();
    let english = places(&config, Some("en")).len();

    let filled = Sounds::new(&config.prompts).fill(&config).await;
    let made = chinese - 1;
    assert_eq!(
        (filled.there, filled.made, filled.missing),
        (chinese, made, english)
    );
    assert_eq!(spoken(&folder), made);
    let sounds = Sounds::new(&config.prompts);
    let again = sounds.fill(&config).await;
    assert_eq!((again.there, again.made), (chinese, 0));
    assert_eq!(spoken(&folder), made);

    let files = sounds.files("zh-CN", &greeting());
    assert_eq!(files.len(), 3);
    assert_eq!(files[0], folder.path().join("prompts/zh-CN/greeting-1"));
    for file in &files[1..] {
        assert!(file.starts_with(folder.path().join("data/sounds/zh-CN")));
        let wav = format!("{}.wav", file.display());
        assert_eq!(fs::read(wav).unwrap(), tone(0.5));
    }
    assert_eq!(sounds.files("en", &greeting()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_recording_is_heard_from_the_next_start_on() {
    let (folder, config) = configured();
    Sounds::new(&config.prompts).fill(&config).await;
    record(&config, "greeting-2", &tone(1.0));
    let sounds = Sounds::new(&config.prompts);
    sounds.fill(&config).await;
    let files = sounds.files("zh-CN", &greeting());
    assert_eq!(files[2], folder.path().join("prompts/zh-CN/greeting-2"));
}

#[tokio::test]
async fn a_reply_passes_with_its_call() {
    let (folder, config) = configured();
    let reply = "已经转交有关部门。";
    let sounds = Sounds::new(&config.prompts);
    assert!(
        !sounds.let_pass(CALL, "zh-CN", reply, NOW).await,
        "not opened"
    );
    sounds.fill(&config).await;
    let before = spoken(&folder);
    assert!(!sounds.has("zh-CN", reply));
    assert!(sounds.let_pass(CALL, "zh-CN", reply, NOW).await);
    assert!(sounds.let_pass(CALL, "zh-CN", reply, NOW).await);
    assert_eq!(spoken(&folder), before + 1);
    assert!(sounds.has("zh-CN", reply));

    let files = sounds.files("zh-CN", &Spoken::written(reply));
    let [file] = files.as_slice() else {
        panic!("{files:?}");
    };
    assert!(file.starts_with(folder.path().join("passing")));
    sounds.forget(CALL);
    assert!(!sounds.has("zh-CN", reply));
    assert_eq!(
        fs::read_dir(folder.path().join("passing")).unwrap().count(),
        0
    );
    assert_eq!(
        sounds.files("zh-CN", &Spoken::written(reply)),
        Vec::<PathBuf>::new()
    );
}

#[tokio::test]
async fn a_reply_nobody_can_speak_has_no_sound() {
    let (_folder, config) = configured();
    let sounds = Sounds::new(&config.prompts);
    sounds.fill(&config).await;
    assert!(!sounds.let_pass(CALL, "en", "It was passed on.", NOW).await);
}
