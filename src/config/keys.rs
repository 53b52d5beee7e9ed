//! The keys of configuration files, and the kind of value of each. A key that is added in `file.rs` needs a row here.

/// The kind of value a key has.
pub(super) enum Shape {
    /// A text in quotes.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    YesNo,
    /// A date without quotes.
    Date,
    /// A list of dates.
    Dates,
    /// A list of texts.
    Texts,
    /// A text, or a list of texts.
    TextOrTexts,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Keys of its own, under a heading `[key]` or in braces.
    Table(&'static [Key]),
    /// Several tables with these keys, each under a heading `[[key]]`.
    Tables(&'static [Key]),
    /// A text, or keys in braces.
    TextOrTable(&'static [Key]),
    /// A table whose keys are languages and whose values all have this shape.
    Named(&'static Shape),
}

/// A key of a table.
pub(super) struct Key {
    pub name: &'static str,
    pub needed: bool,
    pub shape: Shape,
    /// A valid value, as it is written in the file; empty if the keys stand under a heading instead.
    pub example: &'static str,
}

const fn needed(name: &'static str, shape: Shape, example: &'static str) -> Key {
    Key {
        name,
        needed: true,
        shape,
        example,
    }
}

const fn may(name: &'static str, shape: Shape, example: &'static str) -> Key {
    Key {
        name,
        needed: false,
        shape,
        example,
    }
}

const PERIOD: &[Key] = &[
    needed("from", Shape::Date, "2024-03-06"),
    needed("to", Shape::Date, "2024-06-21"),
];

const PROVIDER: &[Key] = &[
    needed("name", Shape::Text, "\"twilio\""),
    needed(
        "kind",
        Shape::OneOf(&[
            "twilio",
            "signalwire",
            "telnyx",
            "somleng",
            "jambonz",
            "asterisk",
            "simulator",
        ]),
        "\"twilio\"",
    ),
    may("api_url", Shape::Text, "\"https://api.twilio.com\""),
    may("account", Shape::Text, "\"AC…\""),
    may("auth_token", Shape::TextOrTexts, "\"…\""),
    may("auth_token_file", Shape::TextOrTexts, "\"secrets/twilio\""),
    may("username", Shape::Text, "\"asterisk\""),
    may("password", Shape::TextOrTexts, "\"…\""),
    may("password_file", Shape::TextOrTexts, "\"secrets/asterisk\""),
    may("api_username", Shape::Text, "\"dutyline\""),
    may("api_password", Shape::TextOrTexts, "\"…\""),
    may("api_password_file", Shape::TextOrTexts, "\"secrets/ari\""),
    may("dial", Shape::Text, "\"PJSIP/{number}@trunk\""),
    may("signing_key", Shape::TextOrTexts, "\"…\""),
    may(
        "signing_key_file",
        Shape::TextOrTexts,
        "\"secrets/signing\"",
    ),
    may("api_key", Shape::TextOrTexts, "\"…\""),
    may("api_key_file", Shape::TextOrTexts, "\"secrets/api\""),
    may("public_key", Shape::TextOrTexts, "\"…\""),
    may(
        "take_signature",
        Shape::OneOf(&["if_present", "required"]),
        "\"required\"",
    ),
    may("media_hosts", Shape::Texts, "[\"s3.amazonaws.com\"]"),
    may("webhook_secret", Shape::TextOrTexts, "\"…\""),
    may(
        "webhook_secret_file",
        Shape::TextOrTexts,
        "\"secrets/webhooks\"",
    ),
];

const ON_DUTY: &[Key] = &[
    needed("name", Shape::Text, "\"李组员\""),
    needed("number", Shape::Text, "\"+8613800000000\""),
    may("days", Shape::Texts, "[\"mon-fri\"]"),
    may("hours", Shape::Texts, "[\"08:30-12:00\"]"),
];

const DIAL: &[Key] = &[
    may("allowed_prefixes", Shape::Texts, "[\"+86\"]"),
    may("ring_seconds", Shape::Number, "20"),
    may("max_minutes", Shape::Number, "30"),
    may("at_once", Shape::Number, "2"),
];

const TRANSLATION: &[Key] = &[
    may("name", Shape::Text, "\"the Fifth Inspection Team\""),
    may("inspected", Shape::Text, "\"the college\""),
    may("scope", Shape::Text, "\"violations of discipline\""),
    may("post", Shape::Text, "\"Post Box 5\""),
    may("letter_boxes", Shape::Texts, "[\"the library\"]"),
    may("elsewhere", Shape::Texts, "[\"the hotline 1 2 3 8 8\"]"),
    may("disciplines", Shape::Texts, "[\"political discipline\"]"),
];

const LINE: &[Key] = &[
    needed("id", Shape::Text, "\"fcg-5\""),
    needed("number", Shape::Text, "\"18877009155\""),
    needed("country", Shape::Text, "\"CN\""),
    needed("name", Shape::Text, "\"防城港市委第五巡察组\""),
    needed("timezone", Shape::Text, "\"Asia/Shanghai\""),
    needed("calendar", Shape::Texts, "[\"cn\"]"),
    needed(
        "inspection",
        Shape::Table(PERIOD),
        "{ from = 2024-03-06, to = 2024-06-21 }",
    ),
    needed(
        "intake",
        Shape::Table(PERIOD),
        "{ from = 2024-03-06, to = 2024-06-14 }",
    ),
    needed("hours", Shape::Texts, "[\"08:30-12:00\", \"15:00-18:00\"]"),
    may(
        "after_hours",
        Shape::OneOf(&["message", "report"]),
        "\"message\"",
    ),
    may("answers", Shape::Texts, "[\"+8677012345678\"]"),
    may("languages", Shape::Texts, "[\"zh-CN\", \"en\"]"),
    may("recording_seconds", Shape::Number, "300"),
    may("record_live", Shape::YesNo, "false"),
    may("roster", Shape::Tables(ON_DUTY), ""),
    may("dial", Shape::Table(DIAL), "{ ring_seconds = 20 }"),
    may("key", Shape::Text, "\"age1…\""),
    may("inspected", Shape::Text, "\"防城港职业技术学院\""),
    may("scope", Shape::Text, "\"…\""),
    may("post", Shape::Text, "\"防城港市邮政5号专用信箱\""),
    may("letter_boxes", Shape::Texts, "[\"食堂一楼\"]"),
    may(
        "elsewhere",
        Shape::Texts,
        "[\"全国纪检监察举报电话 1 2 3 8 8\"]",
    ),
    may("disciplines", Shape::Texts, "[\"政治纪律\", \"组织纪律\"]"),
    may("focuses", Shape::Texts, "[\"基层党组织建设情况\"]"),
    may(
        "translations",
        Shape::Named(&Shape::Table(TRANSLATION)),
        "{ en = { name = \"…\" } }",
    ),
];

/// The keys of `dutyline.toml`.
pub(super) const FILE: &[Key] = &[
    needed(
        "server",
        Shape::Table(&[
            needed("listen", Shape::Text, "\"127.0.0.1:8080\""),
            may("ops_listen", Shape::Text, "\"127.0.0.1:9090\""),
            needed("public_url", Shape::Text, "\"https://duty.example.org\""),
            may("trusted_proxies", Shape::Texts, "[\"127.0.0.1\"]"),
        ]),
        "",
    ),
    needed(
        "storage",
        Shape::Table(&[
            needed("database", Shape::Text, "\"sqlite:data/dutyline.db\""),
            needed("recordings", Shape::Text, "\"file:data/recordings\""),
            needed("secret_file", Shape::Text, "\"data/service.key\""),
            may(
                "connections",
                Shape::Table(&[
                    may("webhooks", Shape::Number, "6"),
                    may("jobs", Shape::Number, "6"),
                    may("console", Shape::Number, "8"),
                ]),
                "{ webhooks = 6, jobs = 6, console = 8 }",
            ),
        ]),
        "",
    ),
    may(
        "trust",
        Shape::Table(&[may("lead", Shape::Text, "\"dutykey1…\"")]),
        "",
    ),
    may(
        "prompts",
        Shape::Table(&[
            may("folder", Shape::Text, "\"prompts\""),
            may("cache", Shape::Text, "\"data/sounds\""),
            may("passing", Shape::Text, "\"/run/dutyline/passing\""),
            may(
                "synthesize",
                Shape::Named(&Shape::Text),
                "{ zh-CN = \"…\" }",
            ),
        ]),
        "",
    ),
    needed("provider", Shape::Tables(PROVIDER), ""),
    needed("line", Shape::Tables(LINE), ""),
];

/// The shape of each value in an operator's file of words, whose keys are the ids of prompts.
pub(super) const WORDS: &Shape = &Shape::TextOrTable(&[
    may("words", Shape::Text, "\"…\""),
    may("audio", Shape::TextOrTexts, "\"greeting.wav\""),
]);

/// The keys of a calendar file.
pub(super) const CALENDAR: &[Key] = &[may(
    "year",
    Shape::Tables(&[
        needed("year", Shape::Number, "2024"),
        may(
            "holiday",
            Shape::Tables(&[
                needed("name", Shape::Text, "\"清明节\""),
                may("from", Shape::Date, "2024-04-04"),
                may("to", Shape::Date, "2024-04-06"),
                may("off", Shape::Dates, "[2024-04-05]"),
                may("worked", Shape::Dates, "[2024-04-07]"),
            ]),
            "",
        ),
    ]),
    "",
)];
