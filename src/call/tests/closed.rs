//! Examples: what a closed line says.

use super::*;
use crate::line::AfterHours;
use crate::report::takes::Reached;
use insta::assert_snapshot;

/// Returns the first script of a call at this time, in both languages.
fn closed(time: &str) -> String {
    let line = default_line();
    let mut caller = Caller::dial(&line, at(time));
    let first = heard(&caller.heard);
    caller.presses('9');
    format!("{first}\n\n{}", heard(&caller.heard))
}

#[test]
fn before_the_inspection() {
    assert_snapshot!(closed("2024-03-05T09:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 值班电话尚未开通。
    zh-CN: 我们将于3月6日星期三上午8点30分开始值班。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 了解其他反映渠道，请按3。
    en: For English, press 9.
    [waits 6 s for 39]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The duty line is not open yet.
    en: The line opens on Wednesday, 6 March, at 8:30 in the morning.
    en: Where else to turn: the national reporting telephone, 1 2 3 8 8.
    en: To hear where else to turn, press 3.
    zh-CN: 中文请按9。
    [waits 6 s for 39]
    ");
}

#[test]
fn at_noon() {
    assert_snapshot!(closed("2024-03-06T12:30"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 现在是休息时间。
    zh-CN: 我们将于今天3月6日星期三下午3点开始值班。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    zh-CN: 您可以来信反映，地址是：防城港市邮政5号专用信箱。
    zh-CN: 也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The duty team is taking a break.
    en: The line opens today, Wednesday, 6 March, at 3:00 in the afternoon.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    en: You can write to: Special Post Box 5, Fangchenggang.
    en: You can also use our letter boxes: the library, in the ground floor hall; the canteen, on the ground floor; teaching building 1, on the ground floor; Fangchenggang Open University, in the first floor hall; the Mangrove Building, in the ground floor south hall, beside the inspection notice board.
    [waits 6 s for 349]
    ");
}

#[test]
fn in_the_evening() {
    assert_snapshot!(closed("2024-03-06T20:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 现在不是值班时间。
    zh-CN: 我们将于3月7日星期四上午8点30分开始值班。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    zh-CN: 您可以来信反映，地址是：防城港市邮政5号专用信箱。
    zh-CN: 也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: You have called outside duty hours.
    en: The line opens on Thursday, 7 March, at 8:30 in the morning.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    en: You can write to: Special Post Box 5, Fangchenggang.
    en: You can also use our letter boxes: the library, in the ground floor hall; the canteen, on the ground floor; teaching building 1, on the ground floor; Fangchenggang Open University, in the first floor hall; the Mangrove Building, in the ground floor south hall, beside the inspection notice board.
    [waits 6 s for 349]
    ");
}

#[test]
fn before_a_worked_sunday() {
    assert_snapshot!(closed("2024-04-04T09:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 今天不值班。
    zh-CN: 我们将于4月7日星期日上午8点30分开始值班。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    zh-CN: 您可以来信反映，地址是：防城港市邮政5号专用信箱。
    zh-CN: 也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The line is not staffed today.
    en: The line opens on Sunday, 7 April, at 8:30 in the morning.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    en: You can write to: Special Post Box 5, Fangchenggang.
    en: You can also use our letter boxes: the library, in the ground floor hall; the canteen, on the ground floor; teaching building 1, on the ground floor; Fangchenggang Open University, in the first floor hall; the Mangrove Building, in the ground floor south hall, beside the inspection notice board.
    [waits 6 s for 349]
    ");
}

#[test]
fn on_the_third_of_the_third() {
    assert_snapshot!(closed("2024-04-11T09:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 今天不值班。
    zh-CN: 我们将于4月15日星期一上午8点30分开始值班。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    zh-CN: 您可以来信反映，地址是：防城港市邮政5号专用信箱。
    zh-CN: 也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The line is not staffed today.
    en: The line opens on Monday, 15 April, at 8:30 in the morning.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    en: You can write to: Special Post Box 5, Fangchenggang.
    en: You can also use our letter boxes: the library, in the ground floor hall; the canteen, on the ground floor; teaching building 1, on the ground floor; Fangchenggang Open University, in the first floor hall; the Mangrove Building, in the ground floor south hall, beside the inspection notice board.
    [waits 6 s for 349]
    ");
}

#[test]
fn on_the_last_evening_reports_are_taken() {
    assert_snapshot!(closed("2024-06-14T20:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 现在不是值班时间。
    zh-CN: 我们将于6月17日星期一上午8点30分开始值班。
    zh-CN: 反映问题的受理时间到6月14日星期五为止。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    zh-CN: 您可以来信反映，地址是：防城港市邮政5号专用信箱。
    zh-CN: 也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: You have called outside duty hours.
    en: The line opens on Monday, 17 June, at 8:30 in the morning.
    en: New reports are taken until Friday, 14 June.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    en: You can write to: Special Post Box 5, Fangchenggang.
    en: You can also use our letter boxes: the library, in the ground floor hall; the canteen, on the ground floor; teaching building 1, on the ground floor; Fangchenggang Open University, in the first floor hall; the Mangrove Building, in the ground floor south hall, beside the inspection notice board.
    [waits 6 s for 349]
    ");
}

#[test]
fn once_intake_is_over() {
    assert_snapshot!(closed("2024-06-17T09:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 反映问题的受理时间已于6月14日星期五截止，现在不再受理新的问题。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The time for new reports ended on Friday, 14 June. No new reports are taken now.
    en: Where else to turn: the national reporting telephone, 1 2 3 8 8.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    [waits 6 s for 349]
    ");
}

#[test]
fn once_intake_is_over_outside_the_hours() {
    assert_snapshot!(closed("2024-06-17T13:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 现在是休息时间。
    zh-CN: 反映问题的受理时间已于6月14日星期五截止，现在不再受理新的问题。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The duty team is taking a break.
    en: The time for new reports ended on Friday, 14 June. No new reports are taken now.
    en: Where else to turn: the national reporting telephone, 1 2 3 8 8.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    [waits 6 s for 349]
    ");
}

#[test]
fn once_intake_is_over_on_a_day_off() {
    assert_snapshot!(closed("2024-06-15T09:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 今天不值班。
    zh-CN: 反映问题的受理时间已于6月14日星期五截止，现在不再受理新的问题。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    [waits 6 s for 349]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The line is not staffed today.
    en: The time for new reports ended on Friday, 14 June. No new reports are taken now.
    en: Where else to turn: the national reporting telephone, 1 2 3 8 8.
    en: To hear where else to turn, press 3.
    en: For earlier reports, press 4.
    zh-CN: 中文请按9。
    [waits 6 s for 349]
    ");
}

#[test]
fn after_the_inspection() {
    assert_snapshot!(closed("2024-06-22T09:00"), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 本次巡察已经结束，值班电话已停止使用。
    zh-CN: 其他反映渠道：全国纪检监察举报电话 1 2 3 8 8。
    zh-CN: 了解其他反映渠道，请按3。
    en: For English, press 9.
    [waits 6 s for 39]

    en: This is the duty line of the Fifth Inspection Team of the Fangchenggang Municipal Party Committee.
    en: The inspection is over and this line is no longer in use.
    en: Where else to turn: the national reporting telephone, 1 2 3 8 8.
    en: To hear where else to turn, press 3.
    zh-CN: 中文请按9。
    [waits 6 s for 39]
    ");
}

#[test]
fn a_closed_line_says_its_message_once_more_and_then_goodbye() {
    let line = default_line();
    let mut caller = Caller::dial(&line, at("2024-04-04T09:00"));
    let message = caller.words();
    let again = caller.does(Input::Nothing).words();
    assert!(message.ends_with(&again), "all but the greeting");
    assert_eq!(caller.does(Input::Nothing).words(), "感谢您的来电，再见。");
    assert_eq!(caller.waits(), Waits::HungUp);
    assert_eq!(caller.state.reached, Reached::Greeting);
}

#[test]
fn a_closed_line_that_takes_reports() {
    let mut line = default_line();
    line.after_hours = AfterHours::Report;
    let mut caller = Caller::dial(&line, at("2024-03-06T12:30"));
    assert_snapshot!(heard(&caller.heard), @"
    zh-CN: 您好，这里是防城港市委第五巡察组值班电话。
    zh-CN: 现在是休息时间。
    zh-CN: 我们将于今天3月6日星期三下午3点开始值班。
    zh-CN: 您现在也可以留言反映问题，请按1。
    zh-CN: 了解其他反映渠道，请按3。
    zh-CN: 回执查询，请按4。
    en: For English, press 9.
    zh-CN: 您可以来信反映，地址是：防城港市邮政5号专用信箱。
    zh-CN: 也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。
    [waits 6 s for 1349]
    ");
    assert_eq!(caller.presses('1').waits(), Waits::Record(240));
    let mut silent = Caller::dial(&line, at("2024-03-06T12:30"));
    silent.does(Input::Nothing).does(Input::Nothing);
    assert_eq!(silent.waits(), Waits::Record(240));
}

#[test]
fn a_closed_line_in_twiml() {
    let line = default_line();
    let caller = Caller::dial(&line, at("2024-04-04T09:00"));
    assert_snapshot!(document(&caller), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <Response>
    <Gather input="dtmf" numDigits="1" timeout="6" finishOnKey="" actionOnEmptyResult="true" action="https://duty.example.org/hooks/twilio/step?call=00000000-0000-0000-0000-000000000000&amp;line=fcg-5&amp;step=1#rc=2&amp;rp=5xx,ct,rt&amp;rt=5000" method="POST">
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您好，这里是防城港市委第五巡察组值班电话。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">今天不值班。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">我们将于4月7日星期日上午8点30分开始值班。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">了解其他反映渠道，请按3。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">回执查询，请按4。</Say>
    <Say language="en-GB" voice="Polly.Amy-Neural">For English, press 9.</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">您可以来信反映，地址是：防城港市邮政5号专用信箱。</Say>
    <Say language="cmn-CN" voice="Polly.Zhiyu-Neural">也可以把信投入巡察信箱，信箱设在：图书馆一楼大厅过道；食堂一楼；1号教学楼一楼；防城港开放大学二楼大厅；防城港市红树林大厦1楼南厅巡察专栏。</Say>
    </Gather>
    </Response>
    "##);
}
