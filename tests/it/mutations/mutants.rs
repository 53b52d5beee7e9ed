//! Changes to a request, as an attacker on the network or one who guesses could make them.

use super::requests::Signed;
use crate::support::dice::Dice;

/// Characters that may occur in the address of a request.
const IN_ADDRESS: &[u8] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/?&=%:'+,;@!$()*";

const IN_JSON: &[u8] = b"{}[]\":, 0123456789abcdef";

/// Returns the request with one or more changes. `other` is correctly signed too: parts of it are inserted.
pub fn mutate(signed: &Signed, other: &Signed, dice: &mut Dice) -> Signed {
    let mut mutant = signed.clone();
    for _ in 0..dice.pick(&[&1, &1, &1, &2, &4]).to_owned() {
        match dice.below(8) {
            0 | 1 => address(&mut mutant.url, dice),
            2 => bytes(&mut mutant.body, dice, Dice::byte),
            3 => body(&mut mutant, dice),
            4 | 5 => headers(&mut mutant, dice),
            6 => number(&mut mutant, dice),
            _ => splice(&mut mutant, other, dice),
        }
    }
    mutant
}

/// Replaces, removes, repeats or inserts a byte, swaps two, or cuts the end.
fn bytes(text: &mut Vec<u8>, dice: &mut Dice, draw: impl Fn(&mut Dice) -> u8) {
    let at = dice.below(text.len());
    let end = dice.below(text.len());
    match dice.below(6) {
        0 => text.insert(at, draw(dice)),
        _ if text.is_empty() => text.push(draw(dice)),
        1 => text[at] = draw(dice),
        2 => drop(text.remove(at)),
        3 => text.insert(at, text[at]),
        4 => text.swap(at, end),
        _ => text.truncate(at),
    }
}

fn text(text: &mut String, dice: &mut Dice, draw: impl Fn(&mut Dice) -> u8) {
    let mut changed = std::mem::take(text).into_bytes();
    bytes(&mut changed, dice, draw);
    *text = String::from_utf8(changed).expect("ASCII");
}

fn address(url: &mut String, dice: &mut Dice) {
    match dice.below(8) {
        0 => *url = url.replacen("https:", "http:", 1),
        1 => {
            *url = url.replacen(
                "duty.example",
                dice.pick(&["duty.example:80", "Duty.Example"]),
                1,
            )
        }
        2 => url.push_str(dice.pick(&["&x=1", "?", "/", "&", "%00", "?bodySHA256=0"])),
        3 => *url = url.replace("%E6", "%e6").replace('\'', "%27"),
        _ => text(url, dice, |dice| IN_ADDRESS[dice.below(IN_ADDRESS.len())]),
    }
}

/// Moves, repeats, drops or renames fields, or swaps their values. Changes bytes of a body that is not a form.
fn body(mutant: &mut Signed, dice: &mut Dice) {
    if !mutant.is_form() {
        return bytes(&mut mutant.body, dice, |dice| {
            IN_JSON[dice.below(IN_JSON.len())]
        });
    }
    let whole = String::from_utf8_lossy(&mutant.body).into_owned();
    let mut fields: Vec<(String, String)> = whole
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (at, to) = (dice.below(fields.len()), dice.below(fields.len()));
    match dice.below(8) {
        0 => fields.swap(at, to),
        1 => fields.insert(to, fields[at].clone()),
        2 => drop(fields.remove(at)),
        3 => fields[at].0 = fields[to].0.clone(),
        4 => fields[at].1 = fields[to].1.clone(),
        5 => fields[at].0 = fields[at].0.to_lowercase(),
        6 => fields[at]
            .1
            .push_str(dice.pick(&["0", "+", "%20", "%00", "%C3", "&"])),
        // Moves the last character of a name to its value: the separator between them is not signed.
        _ => {
            let (name, value) = &mut fields[at];
            if let Some(last) = name.pop() {
                value.insert(0, last);
            }
        }
    }
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    mutant.body = pairs.join("&").into_bytes();
}

/// Changes, removes, repeats or renames a header.
fn headers(mutant: &mut Signed, dice: &mut Dice) {
    if mutant.headers.is_empty() {
        return;
    }
    let at = dice.below(mutant.headers.len());
    let value = &mut mutant.headers[at].1;
    match dice.below(12) {
        0 => drop(mutant.headers.remove(at)),
        1 => mutant.headers.push(mutant.headers[at].clone()),
        2 => mutant.headers[at].0.push('s'),
        3 => *value = value.to_uppercase(),
        4 => *value = value.to_lowercase(),
        5 => value.clear(),
        6 => *value = value.trim_end_matches('=').to_owned(),
        7 => *value = value.replace("SHA256", "SHA1").replace("v1", "v0"),
        _ => text(value, dice, |dice| b' ' + dice.byte() % 95),
    }
}

/// Changes a number in a header or in the address, such as a timestamp or a step.
fn number(mutant: &mut Signed, dice: &mut Dice) {
    let at = dice.below(mutant.headers.len() + 1);
    let text = match mutant.headers.get_mut(at) {
        Some(header) => &mut header.1,
        None => &mut mutant.url,
    };
    let digits = |text: &str, from| {
        let digits = text[from..].bytes().take_while(u8::is_ascii_digit);
        from + digits.count()
    };
    let Some(start) = text.find(|c: char| c.is_ascii_digit()) else {
        return;
    };
    let end = digits(text, start);
    let Ok(number) = text[start..end].parse::<u64>() else {
        return;
    };
    let by = 1 + dice.roll() % 400;
    let other = match dice.below(4) {
        0 => number.wrapping_sub(by).to_string(),
        1 => format!("0{number}"),
        2 => format!("+{number}"),
        _ => number.wrapping_add(by).to_string(),
    };
    text.replace_range(start..end, &other);
}

/// Replaces a part by that of another request.
fn splice(mutant: &mut Signed, other: &Signed, dice: &mut Dice) {
    match dice.below(4) {
        0 => mutant.url.clone_from(&other.url),
        1 => mutant.body.clone_from(&other.body),
        2 => mutant.headers.clone_from(&other.headers),
        _ => {
            let at = dice.below(mutant.headers.len());
            if let (Some(one), Some(two)) = (mutant.headers.get_mut(at), other.headers.get(at)) {
                one.clone_from(two);
            }
        }
    }
}
