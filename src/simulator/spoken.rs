//! Analysis of spoken text: its sentences, and the receipt in it.

/// Returns the sentences of a text, without the space between them. A sentence ends after `。`, `！`, `？`, `!`, `?` or
/// a line break, and after a quotation mark or bracket that closes directly behind such a sign. A full stop ends a
/// sentence only before whitespace or the end of the text, so that numbers and addresses stay whole.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let ends = match character {
            '。' | '！' | '？' | '!' | '?' | '\n' => !next.is_some_and(closes),
            '.' => next.is_none_or(char::is_whitespace),
            // A closing quotation mark or bracket belongs to a sentence that ended inside it.
            closing if closes(closing) => text[start..at].ends_with(['。', '！', '？', '!', '?']),
            _ => false,
        };
        if ends {
            found.push(&text[start..at + character.len_utf8()]);
            start = at + character.len_utf8();
        }
    }
    found.push(&text[start..]);
    found.retain(|sentence| !sentence.trim().is_empty());
    found.into_iter().map(str::trim).collect()
}

fn closes(character: char) -> bool {
    matches!(character, '”' | '’' | '」' | '』' | '》' | '）' | ')')
}

/// Returns the first receipt in a text, without its spaces; `None` if there is none. A receipt is exactly twelve
/// digits, each separated from the next by one space.
pub fn receipt(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit() && c != ' ')
        .find_map(|part| {
            let words: Vec<&str> = part.split(' ').collect();
            // Two spaces yield an empty word, a number of several digits a longer one; neither occurs in a receipt.
            let mut runs = words.split(|word| word.len() != 1);
            runs.find(|run| run.len() == 12).map(<[&str]>::concat)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_sentence_a_line() {
        assert_eq!(
            sentences("您好！这里是值班电话。请按1，或者等候"),
            ["您好！", "这里是值班电话。", "请按1，或者等候"]
        );
        assert_eq!(
            sentences("Version 1.5 is here. Really? Yes."),
            ["Version 1.5 is here.", "Really?", "Yes."]
        );
        assert_eq!(
            sentences("他说：“好。”然后走了。"),
            ["他说：“好。”", "然后走了。"]
        );
        assert!(sentences(" \n ").is_empty());
    }

    #[test]
    fn a_receipt_is_twelve_digits_apart() {
        let cases = [
            ("您的回执是 1 2 3 4 5 6 7 8 9 0 1 2。", Some("123456789012")),
            ("回执1 2 3 4 5 6 7 8 9 0 1 2", Some("123456789012")),
            ("It is 0 0 0 0 0 0 0 0 0 0 0 0.", Some("000000000000")),
            ("Press 1 or 2, then 3.", None),
            ("1 2 3 4 5 6 7 8 9 0 1", None),
            ("1 2 3 4 5 6 7 8 9 0 1 2 3", None),
            ("123456789012", None),
            ("1 2 3 4 5 6 7 8 9 0 1 23", None),
            ("In 2024: 1 2 3 4 5 6 7 8 9 0 1 2", Some("123456789012")),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(receipt(text).as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "[a-z0-9.。！？” ]{0,40}") {
            let whole: String = text.split_whitespace().collect();
            let parts: String = sentences(&text).concat().split_whitespace().collect();
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn a_spoken_receipt_is_found(receipt_digits in "[0-9]{12}", before in "[a-z。]{0,9}") {
            let apart: Vec<String> = receipt_digits.chars().map(String::from).collect();
            let text = format!("{before} {}.", apart.join(" "));
            prop_assert_eq!(receipt(&text), Some(receipt_digits));
        }
    }
}
