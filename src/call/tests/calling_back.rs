//! Examples: what callers hear who call back with a receipt.

use super::*;
use crate::call::state::{Asked, Earlier, Place};
use crate::report::status::Status;
use crate::report::takes::Reached;
use insta::assert_snapshot;

/// Another valid receipt, and one with a wrong check digit.
const OTHER: &str = "000000000013";
const MISTYPED: &str = "000000000014";

fn report(status: Status, reply: Option<&str>) -> Found {
    Found::Report(Earlier {
        status,
        reply: reply.map(|text| text.to_owned().into()),
    })
}

fn calling_back<'a>(line: &'a Line, time: &str) -> Caller<'a> {
    let mut caller = Caller::dial(line, at(time));
    caller.presses('4');
    caller
}

#[test]
fn where_it_stands_what_is_answered_and_adding_to_it() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    assert_snapshot!(heard(&caller.heard), @"
    zh-CN: 请输入您的12位回执号，按井号键结束。
    [waits 10 s for each of 12 digits]
    ");
    caller.types(OTHER, report(Status::Claimed, Some("请补充时间。")));
    assert_snapshot!(heard(&caller.heard), @"
    zh-CN: 您反映的问题正在办理。
    zh-CN: 给您的答复如下。
    zh-CN: 请补充时间。
    zh-CN: 补充内容请按1，再听一遍请按2。
    [waits 6 s for 12]
    ");
    let told = caller.heard.clone();
    assert_eq!(caller.presses('2').heard, told);
    assert_eq!(caller.presses('#').heard, told, "behind the last digit");
    assert_snapshot!(heard(&caller.presses('1').heard), @"
    zh-CN: 请在提示音后补充，说完请按井号键。
    [records up to 240 s]
    ");
    assert_snapshot!(heard(&caller.says_something().heard), @"
    zh-CN: 提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。
    [waits 6 s for 1234]
    ");
    assert_snapshot!(heard(&caller.presses('1').heard), @"
    zh-CN: 您补充的内容，我们已经收到。
    zh-CN: 您原来的回执号继续有效。
    zh-CN: 感谢您的来电，再见。
    [hangs up]
    ");
    assert_eq!(caller.effects, [], "no receipt is spoken");
    assert_eq!(caller.state.reached, Reached::Added);
}

#[test]
fn the_same_in_english_with_the_reply_as_it_was_written() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    assert_snapshot!(heard(&caller.presses('9').presses('4').heard), @"
    en: Please type the 12 digits of your receipt, then the hash key.
    [waits 10 s for each of 12 digits]
    ");
    caller.types(OTHER, report(Status::Closed, Some("已经处理。")));
    assert_snapshot!(heard(&caller.heard), @"
    en: Your report has been dealt with.
    en: This is what you are answered.
    zh-CN: 已经处理。
    en: To add to it, press 1. To hear this again, press 2.
    [waits 6 s for 12]
    ");
    caller.presses('1').says_something();
    assert_snapshot!(heard(&caller.presses('1').heard), @"
    en: We have received what you added.
    en: Your receipt stays the same.
    en: Thank you for calling. Goodbye.
    [hangs up]
    ");
}

/// The provider has no voice and no sound exists yet. When the caller asks again, it may exist.
#[test]
fn a_reply_that_cannot_be_said_is_left_to_people() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    caller.context.reply_sounds = false;
    caller.types(OTHER, report(Status::Closed, Some("已经处理。")));
    assert_snapshot!(heard(&caller.heard), @"
    zh-CN: 您反映的问题已经办结。
    zh-CN: 您反映的问题已有答复，请在值班时间来电，由值班人员告知您。
    zh-CN: 补充内容请按1，再听一遍请按2。
    [waits 6 s for 12]
    ");
    caller.context.reply_sounds = true;
    assert!(words(&caller.presses('2').heard).contains("已经处理。"));
}

#[test]
fn each_status_in_plain_words() {
    let line = default_line();
    for (status, words) in [
        (Status::Queued, "您反映的问题已经登记，正在等待办理。"),
        (Status::Claimed, "您反映的问题正在办理。"),
        (Status::Closed, "您反映的问题已经办结。"),
    ] {
        let mut caller = calling_back(&line, OPEN);
        let said = caller.types(OTHER, report(status, None)).words();
        assert_eq!(said, format!("{words}\n补充内容请按1，再听一遍请按2。"));
    }
}

#[test]
fn three_wrong_receipts_lead_back_to_a_menu_without_it() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    assert_snapshot!(heard(&caller.types(MISTYPED, Found::NoTime).heard), @"
    zh-CN: 您输入的回执号有误。
    zh-CN: 请输入您的12位回执号，按井号键结束。
    [waits 10 s for each of 12 digits]
    ");
    assert_snapshot!(heard(&caller.types(OTHER, Found::Nothing).heard), @"
    zh-CN: 没有查到这个回执号。
    zh-CN: 请输入您的12位回执号，按井号键结束。
    [waits 10 s for each of 12 digits]
    ");
    assert_snapshot!(heard(&caller.types("1234", Found::NoTime).heard), @"
    zh-CN: 未能查到您反映的问题，请核对回执号后再次来电查询。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 反映问题，请按1。
    zh-CN: 受理范围和其他渠道，请按3。
    en: For English, press 9.
    [waits 6 s for 139]
    ");
    assert!(
        caller
            .presses('#')
            .words()
            .starts_with("未能查到您反映的问题")
    );
    assert_eq!(caller.does(Input::Nothing).waits(), Waits::Record(240));
    // In a phase that accepts no reports the call ends.
    let mut caller = calling_back(&line, "2024-06-17T09:00");
    for _ in 0..3 {
        caller.types(OTHER, Found::Nothing);
    }
    assert_snapshot!(heard(&caller.heard), @"
    zh-CN: 未能查到您反映的问题，请核对回执号后再次来电查询。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 感谢您的来电，再见。
    [hangs up]
    ");
}

#[test]
fn too_many_tries_say_nothing_about_the_receipt() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    assert_snapshot!(heard(&caller.types(OTHER, Found::TooMany).heard), @"
    zh-CN: 查询次数过多，请1分钟后再试。
    zh-CN: 请输入您的12位回执号，按井号键结束。
    [waits 10 s for each of 12 digits]
    ");
    assert_eq!(caller.state.wrong_receipts, 0);
    // The error and the question are repeated, then the menu follows.
    let again = caller.heard.clone();
    assert_eq!(caller.does(Input::Nothing).heard, again);
    assert_eq!(caller.state.place, Place::Receipt(Asked::Later));
    caller.does(Input::Nothing);
    assert_eq!(caller.waits(), Waits::Keys("1349".into()));
}

#[test]
fn who_has_a_receipt_that_another_caller_was_told_too_leaves_a_report() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    let words = caller.types(OTHER, Found::Shared).words();
    assert!(words.starts_with("这个回执号已停用，请重新反映"), "{words}");
    assert!(matches!(caller.waits(), Waits::Record(_)), "{words}");
    assert_eq!(caller.state.wrong_receipts, 0);
    assert!(caller.state.earlier.is_none());

    let mut late = calling_back(&line, "2024-06-17T09:00");
    let words = late.types(OTHER, Found::Shared).words();
    assert!(words.starts_with("这个回执号已停用"), "{words}");
    assert!(words.contains("其他反映渠道"), "{words}");
    assert_eq!(late.waits(), Waits::HungUp);
}

#[test]
fn a_receipt_nobody_had_time_for_is_asked_for_again_and_was_not_wrong() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    assert_snapshot!(heard(&caller.types(OTHER, Found::NoTime).heard), @"
    zh-CN: 系统繁忙，刚才未能查询。
    zh-CN: 请输入您的12位回执号，按井号键结束。
    [waits 10 s for each of 12 digits]
    ");
    assert_eq!(caller.state.wrong_receipts, 0);
    let said = caller.types(OTHER, report(Status::Queued, None)).words();
    assert!(said.starts_with("您反映的问题已经登记"), "{said}");
}

#[test]
fn silence_instead_of_a_receipt_leads_to_the_menu_and_on_to_the_recording() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    let asked = caller.heard.clone();
    assert_eq!(caller.does(Input::Nothing).heard, asked);
    assert_eq!(
        caller.does(Input::Nothing).waits(),
        Waits::Keys("1349".into())
    );
    caller.does(Input::Nothing).does(Input::Nothing);
    assert_eq!(caller.waits(), Waits::Record(240));
    // A closed line: its menu, then goodbye.
    let mut caller = calling_back(&line, "2024-04-04T09:00");
    caller.does(Input::Nothing).does(Input::Nothing);
    assert_eq!(caller.waits(), Waits::Keys("349".into()));
    caller.does(Input::Nothing).does(Input::Nothing);
    assert_eq!(caller.waits(), Waits::HungUp);
}

#[test]
fn silence_after_hearing_it_ends_politely() {
    let line = default_line();
    let mut caller = calling_back(&line, OPEN);
    caller.types(OTHER, report(Status::Queued, None));
    assert_eq!(
        caller.does(Input::Nothing).words(),
        "补充内容请按1，再听一遍请按2。"
    );
    assert_eq!(caller.does(Input::Nothing).words(), "感谢您的来电，再见。");
    assert_eq!(caller.waits(), Waits::HungUp);
    assert_eq!(caller.state.reached, Reached::CalledBack);
}

#[test]
fn nothing_said_in_an_addition_is_asked_for_once_more() {
    let line = default_line();
    let mut caller = calling_back(&line, "2024-06-17T09:00");
    caller
        .types(OTHER, report(Status::Queued, None))
        .presses('1');
    let said = caller.does(Input::Nothing).words();
    assert_eq!(
        said,
        "没有听到您的声音。\n请在提示音后补充，说完请按井号键。"
    );
    let said = caller.does(Input::Nothing).words();
    assert_eq!(said, "没有听到您的声音。\n感谢您的来电，再见。");
}

#[test]
fn an_addition_is_possible_wherever_calling_back_is() {
    let line = default_line();
    for time in [
        OPEN,
        "2024-03-06T13:00",
        "2024-03-06T20:00",
        "2024-04-04T09:00",
        "2024-06-17T09:00",
        "2024-06-17T13:00",
        "2024-06-21T18:00",
    ] {
        let mut caller = calling_back(&line, time);
        caller
            .types(OTHER, report(Status::Queued, None))
            .presses('1');
        assert_eq!(caller.waits(), Waits::Record(240), "{time}");
        caller
            .says_something()
            .presses('4')
            .says_something()
            .presses('3')
            .says_something();
        assert!(
            caller.presses('1').words().starts_with("您补充的内容"),
            "{time}"
        );
        assert_eq!(caller.state.takes.len(), 3, "{time}");
    }
    for time in ["2024-03-05T09:00", "2024-06-22T09:00"] {
        let mut caller = Caller::dial(&line, at(time));
        assert_eq!(caller.waits(), Waits::Keys("39".into()), "{time}");
        assert!(
            caller.presses('4').words().starts_with("按键无效"),
            "{time}"
        );
    }
}

#[test]
fn a_receipt_is_asked_for_in_twiml() {
    let line = default_line();
    assert_snapshot!(document(&calling_back(&line, OPEN)), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Gather input="dtmf" numDigits="12" timeout="10" finishOnKey="#" actionOnEmptyResult="true" action="https://duty.example.org/hooks/twilio/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">请输入您的12位回执号，按井号键结束。</Say>
    </Gather>
    </Response>
    "##);
}
