use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn guangxi() -> Calendars {
    let calendars = ["cn", "cn-guangxi"].map(|name| Calendar::embedded(name).unwrap());
    Calendars(calendars.into())
}

/// Returns the error text for `text`; the calendar is named `x`.
fn refusal(text: &str) -> String {
    let errors = Calendar::parse("x", text).unwrap_err();
    errors[0].1.to_string()
}

fn year_2024(holiday: &str) -> String {
    format!("[[year]]\nyear = 2024\n[[year.holiday]]\n{holiday}")
}

#[test]
fn embedded_calendars_are_those_named_and_no_other() {
    for name in EMBEDDED {
        assert_eq!(Calendar::embedded(name).unwrap().name(), *name);
    }
    assert_eq!(Calendar::embedded("de"), None);
    assert_eq!(Calendar::embedded("CN"), None);
}

#[test]
fn national_calendar_has_as_many_days_as_the_notices() {
    let cn = Calendar::embedded("cn").unwrap();
    let off = |a: &&Announced| matches!(a, Announced::Off(_));
    assert_eq!(cn.days.values().filter(off).count(), 89);
    assert_eq!(cn.days.len(), 89 + 19);
}

#[test]
fn days_have_the_words_of_an_office() {
    for (on, working, reason) in [
        ("2024-03-06", true, "工作日"),
        ("2024-03-09", false, "周末"),
        ("2024-04-03", true, "工作日"),
        ("2024-04-04", false, "清明节"),
        ("2024-04-06", false, "清明节"),
        ("2024-04-07", true, "清明节调休上班"),
        ("2024-04-10", true, "工作日"),
        ("2024-04-11", false, "壮族三月三"),
        ("2024-04-12", false, "壮族三月三"),
        ("2024-04-13", false, "周末"),
        ("2024-04-28", true, "劳动节调休上班"),
        ("2024-06-10", false, "端午节"),
        ("2025-10-08", false, "国庆节、中秋节"),
        ("2026-01-04", true, "元旦调休上班"),
        // There is no table for 2027: New Year is an ordinary Friday, and `missing_years` reports the year.
        ("2027-01-01", true, "工作日"),
        ("2027-01-02", false, "周末"),
    ] {
        let day = guangxi().day(date(on));
        assert_eq!(
            (day.working, day.reason.as_str()),
            (working, reason),
            "{on}"
        );
        assert_eq!(guangxi().working(date(on)), working, "{on}");
    }
}

#[test]
fn festival_is_the_region_s_alone() {
    let nation = Calendars(vec![Calendar::embedded("cn").unwrap()]);
    assert!(nation.day(date("2024-04-11")).working);
}

#[test]
fn last_calendar_that_says_anything_decides() {
    let off = year_2024("name = \"A\"\nfrom = 2024-04-13\nto = 2024-04-15\n");
    let on = year_2024("name = \"B\"\nfrom = 2024-04-16\nto = 2024-04-16\nworked = [2024-04-13]");
    let off = Calendar::parse("off", &off).unwrap();
    let on = Calendar::parse("on", &on).unwrap();
    let day = |calendars: &[&Calendar], on| {
        Calendars(calendars.iter().map(|c| (*c).clone()).collect())
            .day(date(on))
            .reason
    };
    assert_eq!(day(&[&off, &on], "2024-04-13"), "B调休上班");
    assert_eq!(day(&[&on, &off], "2024-04-13"), "A");
    assert_eq!(day(&[&off, &on], "2024-04-15"), "A");
    assert_eq!(day(&[], "2024-04-15"), "工作日");
}

#[test]
fn a_december_day_can_make_up_for_the_new_year_that_follows() {
    let text = year_2024("name = \"元旦\"\nworked = [2024-12-28]");
    let calendars = Calendars(vec![Calendar::parse("x", &text).unwrap()]);
    assert_eq!(calendars.day(date("2024-12-28")).reason, "元旦调休上班");
}

#[test]
fn missing_years_are_named_by_calendar() {
    let missing = |from, to| guangxi().missing_years(date(from), date(to));
    assert_eq!(missing("2024-01-01", "2024-12-31"), []);
    assert_eq!(
        missing("2024-12-31", "2027-01-01"),
        [
            ("cn".to_owned(), 2027),
            ("cn-guangxi".to_owned(), 2025),
            ("cn-guangxi".to_owned(), 2026),
            ("cn-guangxi".to_owned(), 2027)
        ]
    );
    assert_eq!(missing("2027-02-01", "2027-01-01"), []);
}

#[test]
fn a_wrong_calendar_is_refused_with_its_date() {
    let year = |holiday: &str| refusal(&year_2024(holiday));
    assert_eq!(
        year("name = \"A\"\nfrom = 2025-04-04\nto = 2025-04-06"),
        "calendar x: 2025-04-04 (A) stands in the table of 2024; move it to the table of its own year"
    );
    assert!(year("name = \"A\"\nfrom = 2024-12-30\nto = 2025-01-02").contains("2025-01-02"));
    assert!(
        year("name = \"A\"\nfrom = 2024-12-30\nto = 2024-12-31\nworked = [2025-01-04]")
            .contains("2025-01-04")
    );
    assert_eq!(
        year("name = \"A\"\nfrom = 2024-04-06\nto = 2024-04-06\nworked = [2024-04-06]"),
        "calendar x: 2024-04-06 is listed twice, as A and as A调休上班"
    );
    assert_eq!(
        year(
            "name = \"A\"\nfrom = 2024-04-06\nto = 2024-04-06\n[[year.holiday]]\nname = \"B\"\nfrom = 2024-04-05\nto = 2024-04-07"
        ),
        "calendar x: 2024-04-06 is listed twice, as A and as B"
    );
    assert_eq!(
        year("name = \"A\"\noff = [2024-04-05]\nworked = [2024-04-05]"),
        "calendar x: 2024-04-05 is listed twice, as A and as A照常上班"
    );
    assert!(year("name = \"A\"\noff = [2025-04-05]").contains("2025-04-05"));
    assert!(year("name = \" \"\noff = [2024-04-05]").contains("2024-04-05"));
    assert_eq!(
        year("name = \"A\"\nfrom = 2024-04-06\nto = 2024-04-04"),
        "calendar x: A ends on 2024-04-04, before it starts on 2024-04-06"
    );
    assert!(year("name = \" \"\nfrom = 2024-04-06\nto = 2024-04-06").contains("2024-04-06"));
    for half in [
        "from = 2024-04-06",
        "to = 2024-04-06",
        "worked = []\noff = []",
    ] {
        assert_eq!(
            year(&format!("name = \"A\"\n{half}")),
            "calendar x: A of 2024 needs both `from` and `to`, or days in `off` or `worked`"
        );
    }
    assert!(
        refusal("[[year]]\nyear = 2024\n[[year]]\nyear = 2024").contains("2024 has two tables")
    );
}

#[test]
fn unknown_keys_and_wrong_types_are_refused_with_their_line() {
    for (text, says) in [
        ("[[years]]\nyear = 2024", "unknown field `years`"),
        (
            "[[year]]\nyear = 2024\nsource = 1",
            "unknown field `source`",
        ),
        (
            "[[year]]\nyear = 2024\n[[year.holiday]]\nnam = 1",
            "unknown field `nam`",
        ),
        ("[[year]]\nyear = \"2024\"", "expected i32"),
        ("[[year]", "line 1"),
    ] {
        assert!(refusal(text).contains(says), "{}", refusal(text));
    }
    for from in [
        "2024-02-30",
        "\"2024-02-01\"",
        "2024-02-01T00:00:00",
        "00:00:00",
        "20240201",
    ] {
        let text = year_2024(&format!("name = \"A\"\nfrom = {from}\nto = 2024-03-01"));
        assert!(refusal(&text).contains("line 5"), "{}", refusal(&text));
    }
}
