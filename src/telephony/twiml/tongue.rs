//! Twilio's names for languages, and the voices to ask for.

/// Languages that have another name at Twilio than here, or need a voice to be named: without one the account's basic
/// voice is used, and that has no Chinese. Columns: name here, Twilio's name, voice.
pub(super) const OUR_NAMES: &[(&str, &str, &str)] = &[
    ("zh-CN", "cmn-CN", "Polly.Zhiyu-Neural"),
    ("zh", "cmn-CN", "Polly.Zhiyu-Neural"),
    ("cmn-CN", "cmn-CN", "Polly.Zhiyu-Neural"),
    ("zh-TW", "cmn-TW", "Google.cmn-TW-Wavenet-A"),
    ("zh-HK", "yue-HK", "Polly.Hiujin-Neural"),
    ("en", "en-GB", "Polly.Amy-Neural"),
    ("en-GB", "en-GB", "Polly.Amy-Neural"),
];

/// Languages with the same name at Twilio as here, spoken in the account's voice for the language.
pub(super) const ITS_NAMES: &[&str] = &[
    "af-ZA",
    "am-ET",
    "ar-AE",
    "ar-XA",
    "arb",
    "bg-BG",
    "bn-IN",
    "ca-ES",
    "cmn-TW",
    "cs-CZ",
    "cy-GB",
    "da-DK",
    "de-AT",
    "de-DE",
    "el-GR",
    "en-AU",
    "en-CA",
    "en-GB-WLS",
    "en-IE",
    "en-IN",
    "en-NZ",
    "en-US",
    "en-ZA",
    "es-ES",
    "es-MX",
    "es-US",
    "fi-FI",
    "fil-PH",
    "fr-BE",
    "fr-CA",
    "fr-FR",
    "gu-IN",
    "he-IL",
    "hi-IN",
    "hu-HU",
    "id-ID",
    "is-IS",
    "it-IT",
    "ja-JP",
    "kn-IN",
    "ko-KR",
    "lv-LV",
    "ml-IN",
    "mr-IN",
    "ms-MY",
    "nb-NO",
    "nl-BE",
    "nl-NL",
    "pa-IN",
    "pl-PL",
    "pt-BR",
    "pt-PT",
    "ro-RO",
    "ru-RU",
    "sk-SK",
    "sr-RS",
    "sv-SE",
    "ta-IN",
    "te-IN",
    "th-TH",
    "tr-TR",
    "uk-UA",
    "vi-VN",
    "yue-HK",
];

/// Returns Twilio's name for a language, and the voice to ask for, if any. `None` when the language is in neither
/// table; the account's default language is then spoken.
pub fn tongue(language: &str) -> Option<(&'static str, Option<&'static str>)> {
    let same = |name: &str| name.eq_ignore_ascii_case(language);
    OUR_NAMES
        .iter()
        .find(|row| same(row.0))
        .map(|row| (row.1, Some(row.2)))
        .or_else(|| ITS_NAMES.iter().find(|n| same(n)).map(|name| (*name, None)))
}
