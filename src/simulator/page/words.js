// The page's words: every key in each language. What the line itself says comes from the line.

const WORDS = {
  'zh-CN': {
    other: 'English',
    title: '模拟电话',
    mute: '静音',
    to: '拨打号码',
    from: '来电号码（选填）',
    withheld: '不填写则隐藏号码。',
    dial: '拨号',
    only_simulated: '本页为试用工具，只拨打本机上的模拟线路，不会接入真实电话网。',
    hangup: '挂断',
    silence: '不出声',
    keypad: '拨号键盘',
    star: '星号键',
    pound: '井号键',
    speak: '开始说话',
    stop: '说完了',
    resend: '再次送出',
    sample: '播放示例录音',
    level: '音量',
    transcript: '通话内容',
    nothing_yet: '拨通后，线路说的每一句话都会显示在这里。',
    receipt: '回执号',
    keep_receipt: '请记下回执号，不要告诉他人。',
    idle: '拨打值班电话',
    ringing: '正在接通……',
    keys: '请按键',
    speech: '正在录音',
    taking: '正在录音，请说话',
    spoken: '已经说完',
    unsent: '还没有送到',
    sending: '正在送出……',
    rung: '正在呼叫值班人员……',
    talk: '正在与值班人员通话',
    over: '通话已结束',
    hint_idle: '也可以用电脑键盘按数字、* 和 #。',
    hint_ringing: '请稍候。',
    hint_keys: (seconds) => `线路等您按键。真实通话只等 ${seconds} 秒，这里会一直等；想听听不按键会怎样，请按“不出声”。`,
    hint_speech: (minutes) => `请用麦克风说话，或者播放示例录音。最长 ${minutes}。`,
    hint_taking: '说完请按 # 键，或者“说完了”。',
    hint_spoken: '按 # 键结束录音；按“不出声”，线路也会自行结束录音。',
    hint_unsent: '您说的内容还在，请再送一次。',
    hint_sending: '请稍候。',
    hint_rung: '这里没有人接听。按“不出声”，等到无人接听为止。',
    hint_talk: '说完请挂断。',
    hint_over: '可以再次拨打。',
    line_speaks: '线路正在说话',
    beep: '（提示音）',
    played: (seconds) => `（播放录音，${seconds} 秒）`,
    played_label: '线路播放的录音',
    play_failed: '（录音未能播放）',
    dialled: (to) => `拨打 ${to}`,
    pressed: (keys) => `按 ${keys}`,
    kept_silent: '没有出声',
    said: (seconds) => `说了 ${seconds} 秒`,
    said_sample: '播放了示例录音',
    hung_up: '挂断了电话',
    you: '来电人',
    line: '线路',
    minutes: (n) => `${n} 分钟`,
    seconds: (n) => `${n} 秒`,
    lost: '连接中断，上一步可能没有送到。请确认 dutyline demo 仍在运行，然后再试一次，或者重新拨号。',
    refused: {
      400: '线路没有接受：电话上没有这个键。',
      403: '请求被拒绝：请直接打开本页再试。',
      404: '线路上没有这通电话，可能演示程序已重新启动。请重新拨号。',
      409: '这段录音里已经说过话了，请先按 # 键结束录音。',
      413: '录音太长，线路没有接受。',
      415: '线路没有接受：录音不是 WAV 文件。',
    },
    refused_other: (title) => `线路没有接受：${title}`,
    microphone_refused: '浏览器没有获得麦克风权限。请在地址栏旁允许使用麦克风后再试，或者播放示例录音。',
    microphone_none: '没有找到可用的麦克风，请连接后再试，或者播放示例录音。',
    microphone_insecure: '浏览器只在本机地址（127.0.0.1）或 https 地址上开放麦克风。可以改播示例录音。',
    microphone_broken: '麦克风中断，已说的内容保留，可以结束录音。',
    too_short: '没有录到声音，请再试一次。',
  },
  en: {
    other: '中文',
    title: 'Simulated telephone',
    mute: 'Mute',
    to: 'Number to dial',
    from: "Caller's number (optional)",
    withheld: 'Left empty, the number is withheld.',
    dial: 'Dial',
    only_simulated: 'For trying things out: it reaches the simulated line on this machine, never the real telephone network.',
    hangup: 'Hang up',
    silence: 'Keep silent',
    keypad: 'Keypad',
    star: 'Star key',
    pound: 'Pound key',
    speak: 'Speak',
    stop: 'I am done',
    resend: 'Send again',
    sample: 'Play the sample',
    level: 'Loudness',
    transcript: 'What was said',
    nothing_yet: 'Once somebody answers, every sentence the line says appears here.',
    receipt: 'Receipt',
    keep_receipt: 'Write it down, and tell nobody.',
    idle: 'Call the duty line',
    ringing: 'Ringing …',
    keys: 'Press a key',
    speech: 'The line is recording',
    taking: 'Recording: please speak',
    spoken: 'You have spoken',
    unsent: 'Not sent yet',
    sending: 'Sending …',
    rung: 'Ringing the duty inspector …',
    talk: 'Speaking with the duty inspector',
    over: 'The call is over',
    hint_idle: 'The digits, * and # of your keyboard work too.',
    hint_ringing: 'One moment.',
    hint_keys: (seconds) => `The line waits for a key. In life it waits ${seconds} seconds; here it waits for you. “Keep silent” lets them pass.`,
    hint_speech: (minutes) => `Speak into the microphone, or play the sample. ${minutes} at most.`,
    hint_taking: 'When you are done press #, or “I am done”.',
    hint_spoken: 'Press # to end the recording. “Keep silent” ends it too.',
    hint_unsent: 'What you said is kept. Please send it again.',
    hint_sending: 'One moment.',
    hint_rung: 'Nobody picks up here. “Keep silent” lets it ring until it is given up.',
    hint_talk: 'Hang up when you are done.',
    hint_over: 'You can dial again.',
    line_speaks: 'The line is speaking',
    beep: '(beep)',
    played: (seconds) => `(a recording is played, ${seconds} seconds)`,
    played_label: 'The recording the line plays',
    play_failed: '(the recording could not be played)',
    dialled: (to) => `dials ${to}`,
    pressed: (keys) => `presses ${keys}`,
    kept_silent: 'keeps silent',
    said: (seconds) => `speaks for ${seconds} seconds`,
    said_sample: 'plays the sample',
    hung_up: 'hangs up',
    you: 'Caller',
    line: 'Line',
    minutes: (n) => (n === 1 ? 'One minute' : `${n} minutes`),
    seconds: (n) => `${n} seconds`,
    lost: 'The connection broke off; what you did last may not have arrived. Make sure dutyline demo is running, then try again or dial anew.',
    refused: {
      403: 'Refused: open this page directly, then try again.',
      404: 'The line does not know this call: the demo may have been restarted. Please dial again.',
      413: 'The recording is too long for the line.',
    },
    refused_other: (title) => `The line refuses: ${title}.`,
    microphone_refused: 'The browser may not use the microphone. Allow it beside the address bar and try again, or play the sample.',
    microphone_none: 'No microphone was found. Connect one and try again, or play the sample.',
    microphone_insecure: 'Browsers open the microphone only at 127.0.0.1 or over https. You can play the sample.',
    microphone_broken: 'The microphone broke off. What you said so far is kept; you can end the recording.',
    too_short: 'Nothing was recorded. Please try again.',
  },
};

const STORED = 'dutyline-language';

/** The language to begin with: what was chosen, else what the browser prefers, else Chinese. */
function first() {
  const wanted = remembered() ?? navigator.language ?? '';
  return wanted.startsWith('en') ? 'en' : 'zh-CN';
}

// A browser that keeps nothing for pages throws instead.
function remembered() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

/** The page's language tag. */
export let language = first();

/** The words of the page's language. */
export function words() {
  return WORDS[language];
}

/** Changes to the other language, and remembers it. */
export function changeLanguage() {
  language = language === 'en' ? 'zh-CN' : 'en';
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // Then it is Chinese, or the browser's, the next time.
  }
}

/** Writes the words into everything that names one. */
export function fillIn(root) {
  const w = words();
  for (const element of root.querySelectorAll('[data-word]')) element.textContent = w[element.dataset.word];
  for (const element of root.querySelectorAll('[data-label]')) element.setAttribute('aria-label', w[element.dataset.label]);
}
