//! Examples: what callers of the open line hear, from the menu to the receipt.

use super::*;
use crate::call::flow::{Effect, MAX_STEPS};
use crate::call::state::Place;
use crate::line::prompts::{prompts, speech_seconds};
use crate::line::roster::OnDuty;
use crate::report::takes::Reached;
use insta::assert_snapshot;

// --- the open line -----------------------------------------------------------------------------------

#[test]
fn the_shortest_way_is_1_hash_1() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    assert_snapshot!(heard(&caller.heard), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 您的来电和反映内容严格保密。
    zh-CN: 反映问题，请按1。
    zh-CN: 受理范围和其他渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    [waits 6 s for 1349]
    ");
    assert_snapshot!(heard(&caller.presses('1').heard), @"
    zh-CN: 请在提示音后留言，说明什么人、什么事、何时何地、有什么证据。姓名和联系方式可以不留。说完请按井号键。
    [records up to 240 s]
    ");
    assert_snapshot!(heard(&caller.says_something().heard), @"
    zh-CN: 提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。
    [waits 6 s for 1234]
    ");
    assert_snapshot!(heard(&caller.presses('1').heard), @"
    zh-CN: 您反映的情况，我们已经收到。
    zh-CN: 您的回执号是：5 7 2 9 4 3 8 1 7 5 0 3。
    zh-CN: 请记下回执号，不要告诉他人。
    zh-CN: 再播报一遍。
    zh-CN: 您的回执号是：5 7 2 9 4 3 8 1 7 5 0 3。
    zh-CN: 感谢您的来电，再见。
    [hangs up]
    ");
    assert_eq!(caller.effects, [Effect::ReceiptSpoken]);
    assert_eq!(caller.state.takes, [taken(&[2], false)]);
}

#[test]
fn the_same_in_english() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    assert_snapshot!(heard(&caller.presses('9').heard), @"
    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: This call is confidential.
    en: To report, press 1.
    en: For information, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    [waits 6 s for 1349]
    ");
    assert_snapshot!(heard(&caller.presses('1').heard), @"
    en: After the tone, say who, what, when and where, and what proof there is. You need not leave your name. Then press the hash key.
    [records up to 240 s]
    ");
    assert_snapshot!(heard(&caller.says_something().heard), @"
    en: To send it, press 1. To listen to it, press 2. To say it again, press 3. To add to it, press 4.
    [waits 6 s for 1234]
    ");
    assert_snapshot!(heard(&caller.presses('1').heard), @"
    en: We have received what you told us.
    en: Your receipt is: 5 7 2 9 4 3 8 1 7 5 0 3.
    en: Please write it down, and show it to nobody.
    en: Once more.
    en: Your receipt is: 5 7 2 9 4 3 8 1 7 5 0 3.
    en: Thank you for calling. Goodbye.
    [hangs up]
    ");
}

#[test]
fn what_can_be_reported_and_where_else_to_turn() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    assert_snapshot!(heard(&caller.presses('3').heard), @"
    zh-CN: 本组巡察的单位是：防城港职业技术学院。
    zh-CN: 本组受理：反映被巡察党组织领导班子及其成员、下一级主要负责人和重要岗位领导干部违反六项纪律的来信来电来访。
    zh-CN: 主要受理违反下列纪律的问题：政治纪律；组织纪律；廉洁纪律；群众纪律；工作纪律；生活纪律。
    zh-CN: 不在受理范围内的问题，我们将按规定转交主管部门处理。
    zh-CN: 您可以来信反映，地址是：防城港市邮政5号专用信箱。
    zh-CN: 也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 反映问题，请按1。
    zh-CN: 受理范围和其他渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    [waits 6 s for 1349]
    ");
    caller.presses('9');
    assert_snapshot!(heard(&caller.presses('3').heard), @"
    en: This team inspects Fangchenggang Vocational and Technical College.
    en: This team takes reports on the leading body of the inspected party organisation and its members, the principal leaders of the next level down, and leading cadres in key posts, for breaches of the six disciplines.
    en: The disciplines are: political discipline; organisational discipline; integrity; conduct towards the public; work discipline; personal conduct.
    en: Anything else is passed on to the department in charge, according to the rules.
    en: You can write to: Special Post Box 5, Fangchenggang.
    en: You can also use our letter boxes: the library, in the ground floor hall; the canteen, on the ground floor; teaching building 1, on the ground floor; Fangchenggang Open University, in the first floor hall; the Mangrove Building, in the ground floor south hall, beside the inspection notice board.
    en: Where else to turn: the national reporting telephone, 1 2 3 8 8.
    en: To report, press 1.
    en: For information, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    [waits 6 s for 1349]
    ");
}

#[test]
fn key_9_leads_there_and_back() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    let first = caller.heard.clone();
    caller.presses('9');
    assert_eq!(caller.state.language, 1);
    assert_eq!(caller.presses('9').heard, first);
    assert_eq!(caller.state.language, 0);
}

#[test]
fn a_caller_of_the_open_line_can_act_within_20_seconds() {
    let mut line = default_line();
    // With every option offered.
    line.roster.people.push(OnDuty {
        name: "甲".into(),
        number: "+8613800000001".to_owned().into(),
        days: Vec::new(),
        hours: None,
    });
    let mut caller = Caller::dial(&line, at(OPEN));
    for language in ["zh-CN", "en"] {
        let seconds: f64 = caller
            .heard
            .0
            .iter()
            .map(|verb| match verb {
                Verb::Say { text, language } => speech_seconds(language, &text.to_string()),
                _ => 0.0,
            })
            .sum();
        assert_eq!(caller.waits(), Waits::Keys("12349".into()));
        assert!(seconds <= 20.0, "{language}: {seconds:.1} s");
        let guidance = speech_seconds(language, &prompts(language).guidance);
        assert!(guidance <= 12.0, "{language}: {guidance:.1} s");
        caller.presses('9');
    }
}

#[test]
fn silence_twice_leads_to_the_recording() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    let menu =
        "反映问题，请按1。\n受理范围和其他渠道，请按3。\n回执查询，请按4。\nFor English, press 9.";
    assert_eq!(caller.does(Input::Nothing).words(), menu);
    assert_eq!(caller.does(Input::Nothing).waits(), Waits::Record(240));
    assert_eq!(caller.state.reached, Reached::Guidance);
}

#[test]
fn a_wrong_key_counts_as_silence_and_the_menu_is_said_again() {
    let line = default_line();
    for wrong in ['2', '5', '0', '*', '#', 'A'] {
        let mut caller = Caller::dial(&line, at(OPEN));
        let menu = caller.waits();
        let said = caller.presses(wrong).words();
        assert!(
            said.starts_with("按键无效，请重新选择。\n反映问题，请按1。"),
            "{wrong}: {said}"
        );
        assert_eq!(caller.waits(), menu);
        assert_eq!(
            caller.does(Input::Nothing).waits(),
            Waits::Record(240),
            "{wrong}"
        );
    }
}

#[test]
fn a_right_key_makes_silence_count_anew() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    caller
        .does(Input::Nothing)
        .presses('3')
        .does(Input::Nothing);
    assert_eq!(caller.state.place, Place::Menu);
    assert_eq!(caller.does(Input::Nothing).waits(), Waits::Record(240));
}

// --- recording a report ------------------------------------------------------------------------------

fn recording(line: &Line) -> Caller<'_> {
    let mut caller = Caller::dial(line, at(OPEN));
    caller.presses('1');
    caller
}

#[test]
fn whoever_says_nothing_is_asked_once_more_and_then_let_go_kindly() {
    let line = default_line();
    let mut caller = recording(&line);
    assert_snapshot!(heard(&caller.does(Input::Nothing).heard), @"
    zh-CN: 没有听到您的声音。
    zh-CN: 请在提示音后留言，说明什么人、什么事、何时何地、有什么证据。姓名和联系方式可以不留。说完请按井号键。
    [records up to 240 s]
    ");
    assert_snapshot!(heard(&caller.does(Input::Nothing).heard), @"
    zh-CN: 没有听到您的声音。
    zh-CN: 如果您现在不方便说话，可以在值班时间再次来电。再见。
    [hangs up]
    ");
    assert_eq!(caller.state.reached, Reached::Guidance);
    assert!(!caller.state.receipt_spoken);
}

#[test]
fn a_long_recording_is_two_with_the_warning_between() {
    let line = default_line();
    let mut caller = recording(&line);
    assert_eq!(caller.waits(), Waits::Record(240));
    assert_snapshot!(heard(&caller.does(recorded(RecordingEnd::Limit)).heard), @"
    zh-CN: 还可以说1分钟，请在提示音后继续。
    [records up to 60 s]
    ");
    assert_snapshot!(heard(&caller.does(recorded(RecordingEnd::Limit)).heard), @"
    zh-CN: 录音时间已到。
    zh-CN: 提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。
    [waits 6 s for 1234]
    ");
    assert_eq!(caller.state.takes, [taken(&[2, 3], false)]);
    assert_snapshot!(heard(&caller.presses('2').heard), @"
    [plays what was said at step 2]
    [plays what was said at step 3]
    zh-CN: 您的留言已经录好。
    zh-CN: 提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。
    [waits 6 s for 1234]
    ");
}

#[test]
fn a_provider_that_does_not_say_how_a_recording_ended_tells_by_its_length() {
    let line = default_line();
    for (seconds, next) in [
        (Some(240), Waits::Record(60)),
        (Some(239), Waits::Keys("1234".into())),
        (None, Waits::Keys("1234".into())),
    ] {
        let mut caller = recording(&line);
        caller.does(Input::Recorded { end: None, seconds });
        assert_eq!(caller.waits(), next, "{seconds:?}");
    }
}

#[test]
fn the_last_minute_left_unused_is_no_silence() {
    let line = default_line();
    let mut caller = recording(&line);
    caller
        .does(recorded(RecordingEnd::Limit))
        .does(Input::Nothing);
    assert_eq!(caller.state.place, Place::Review);
    assert!(!caller.words().contains("没有听到"));
    assert_eq!(caller.state.takes, [taken(&[2], false)]);
}

#[test]
fn a_short_limit_has_no_warning() {
    let mut line = default_line();
    for (limit, parts) in [
        (30, (30, None)),
        (120, (120, None)),
        (121, (61, Some(60))),
        (3600, (3540, Some(60))),
    ] {
        line.recording_seconds = limit;
        let mut caller = recording(&line);
        assert_eq!(caller.waits(), Waits::Record(parts.0));
        caller.does(recorded(RecordingEnd::Limit));
        match parts.1 {
            Some(rest) => assert_eq!(caller.waits(), Waits::Record(rest)),
            None => assert!(caller.words().starts_with("录音时间已到。\n提交留言请按1")),
        }
    }
}

#[test]
fn said_again_the_old_take_stays_and_stands_back() {
    let line = default_line();
    let mut caller = recording(&line);
    caller.says_something();
    assert_snapshot!(heard(&caller.presses('3').heard), @"
    zh-CN: 请在提示音后重新留言，说完请按井号键。
    [records up to 240 s]
    ");
    assert_eq!(
        caller.state.takes,
        [taken(&[2], false)],
        "until there is a new one"
    );
    caller.says_something();
    assert_eq!(caller.state.takes, [taken(&[2], true), taken(&[4], false)]);
    assert_eq!(
        caller.effects,
        [Effect::Replaced {
            steps: vec![2],
            by: 4
        }]
    );
    assert!(
        heard(&caller.presses('2').heard).starts_with("[plays what was said at step 4]\nzh-CN")
    );
}

#[test]
fn said_again_with_nothing_said_the_old_take_stands() {
    let line = default_line();
    let mut caller = recording(&line);
    caller.says_something().presses('3').does(Input::Nothing);
    assert_eq!(caller.state.takes, [taken(&[2], false)]);
    assert_eq!(
        caller.words(),
        "没有听到您的声音。\n提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。"
    );
}

#[test]
fn what_is_added_stands_beside_it() {
    let line = default_line();
    let mut caller = recording(&line);
    caller.says_something();
    assert_snapshot!(heard(&caller.presses('4').heard), @"
    zh-CN: 请在提示音后补充，说完请按井号键。
    [records up to 240 s]
    ");
    caller.says_something();
    assert_eq!(caller.state.takes, [taken(&[2], false), taken(&[4], false)]);
    assert_eq!(caller.effects, []);
}

#[test]
fn silence_twice_at_the_review_sends() {
    let line = default_line();
    for second in [Input::Nothing, Input::Key('8')] {
        let mut caller = recording(&line);
        caller.says_something().does(Input::Nothing);
        assert_eq!(caller.state.place, Place::Review);
        caller.does(second);
        assert_eq!(caller.waits(), Waits::HungUp);
        assert!(caller.state.receipt_spoken);
    }
}

#[test]
fn a_report_has_ten_takes_at_most() {
    let line = default_line();
    let mut caller = recording(&line);
    for _ in 0..9 {
        caller.says_something().presses('4');
    }
    caller.says_something();
    for key in ['3', '4'] {
        assert!(caller.presses(key).words().starts_with("留言次数已满"));
        assert_eq!(caller.state.place, Place::Review);
    }
    assert_eq!(caller.state.takes.len(), 10);
}

#[test]
fn a_step_that_was_never_asked_for_begins_again_and_keeps_what_was_said() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    let menu = caller.heard.clone();
    assert_eq!(caller.does(Input::Restart).heard, menu);
    caller
        .presses('1')
        .says_something()
        .presses('4')
        .does(Input::Restart);
    assert_eq!(caller.state.place, Place::Review);
    assert_eq!(caller.state.takes.len(), 1);
}

#[test]
fn a_recording_made_when_nobody_could_write_it_down_is_kept() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    caller.says_something();
    assert_eq!(
        (caller.state.place, caller.state.takes.len()),
        (Place::Review, 1)
    );
    // In a phase that accepts no reports, recording more is not offered.
    let mut caller = Caller::dial(&line, at("2024-06-17T09:00"));
    caller.says_something();
    assert_eq!(caller.waits(), Waits::HungUp);
    assert!(caller.state.receipt_spoken && caller.state.takes.len() == 1);
    // A recording after the end of the conversation is kept too.
    caller.says_something();
    assert_eq!(caller.state.takes.len(), 2);
    assert_eq!(caller.words(), "感谢您的来电，再见。");
}

#[test]
fn whoever_presses_3_for_ever_gets_to_speak() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    while caller.state.step < MAX_STEPS {
        caller.presses('3');
        assert_eq!(caller.state.place, Place::Menu);
    }
    assert_eq!(caller.presses('3').waits(), Waits::Record(240));
    assert_eq!(caller.says_something().waits(), Waits::HungUp);
    assert!(caller.state.receipt_spoken);
}

// --- whole documents ---------------------------------------------------------------------------------

#[test]
fn the_way_of_a_report_in_twiml() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(OPEN));
    assert_snapshot!(document(&caller), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Gather input="dtmf" numDigits="1" timeout="6" finishOnKey="" actionOnEmptyResult="true" action="https://duty.example.org/hooks/twilio/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=1#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您好，这里是防城港市委第五巡察组值班电话。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您的来电和反映内容严格保密。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">反映问题，请按1。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">受理范围和其他渠道，请按3。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">回执查询，请按4。</Say>
    <Say language="en-GB" voice="Polly.Amy-Neural">For English, press 9.</Say>
    </Gather>
    </Response>
    "##);
    assert_snapshot!(document(caller.presses('1')), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">请在提示音后留言，说明什么人、什么事、何时何地、有什么证据。姓名和联系方式可以不留。说完请按井号键。</Say>
    <Record action="https://duty.example.org/hooks/twilio/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST" maxLength="240" timeout="10" finishOnKey="#" playBeep="true" trim="do-not-trim" recordingStatusCallback="https://duty.example.org/hooks/twilio/recording?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" recordingStatusCallbackMethod="POST" recordingStatusCallbackEvent="completed absent"/>
    <Redirect method="POST">https://duty.example.org/hooks/twilio/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=2&amp;nothing=1#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000</Redirect>
    </Response>
    "##);
    assert_snapshot!(document(caller.says_something()), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Gather input="dtmf" numDigits="1" timeout="6" finishOnKey="" actionOnEmptyResult="true" action="https://duty.example.org/hooks/twilio/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=3#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。</Say>
    </Gather>
    </Response>
    "##);
    assert_snapshot!(document(caller.presses('2')), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Gather input="dtmf" numDigits="1" timeout="6" finishOnKey="" actionOnEmptyResult="true" action="https://duty.example.org/hooks/twilio/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=4#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
    <Play>https://duty.example.org/hooks/twilio/take/00000000-0000-0000-0000-000000000000/2/a6T0KookxbFtK4IBO9C5CiARlW1IRus53jSsKZFRPLU</Play>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您的留言已经录好。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">提交留言请按1，收听请按2，重新留言请按3，补充内容请按4。</Say>
    </Gather>
    </Response>
    "##);
    assert_snapshot!(document(caller.presses('1')), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您反映的情况，我们已经收到。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您的回执号是：5 7 2 9 4 3 8 1 7 5 0 3。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">请记下回执号，不要告诉他人。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">再播报一遍。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您的回执号是：5 7 2 9 4 3 8 1 7 5 0 3。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">感谢您的来电，再见。</Say>
    <Hangup/>
    </Response>
    "##);
}
