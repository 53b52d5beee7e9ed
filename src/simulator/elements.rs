//! Parses XML text to elements. The modules that read verbs remove each attribute and child they know from its
//! element and reject what is left, so that no attribute or child is ignored by accident. Comments are skipped; a
//! DOCTYPE, a processing instruction or an entity that XML does not define is an error.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Maximum number of elements open at the same time. TwiML needs three: `<Response>`, a verb, and a prompt or
/// `<Number>` in that verb.
const DEPTH_LIMIT: usize = 4;

/// An element with its attributes, text and children.
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: String,
    pub(super) children: Vec<Element>,
}

/// Parses a document and returns its root element, or a sentence that says what is wrong.
pub(super) fn elements(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("not XML: {error}"))?;
        let done = match event {
            Event::Start(start) => {
                if open.len() == DEPTH_LIMIT {
                    return Err("the document is nested too deeply".to_owned());
                }
                open.push(element(&start)?);
                None
            }
            Event::Empty(start) => Some(element(&start)?),
            // `quick_xml` has checked that the name matches the start tag.
            Event::End(_) => open.pop(),
            Event::Text(words) => {
                add_text(&mut open, &words.xml10_content())?;
                None
            }
            Event::CData(words) => {
                add_text(&mut open, &words.xml10_content())?;
                None
            }
            Event::GeneralRef(reference) => {
                let character = reference
                    .resolve_char_ref()
                    .map_err(|error| format!("not XML: {error}"))?;
                let name = reference.xml10_content();
                let words = match (character, name.as_ref()) {
                    (Some(character), _) => character.to_string(),
                    (None, "amp") => "&".to_owned(),
                    (None, "lt") => "<".to_owned(),
                    (None, "gt") => ">".to_owned(),
                    (None, "quot") => "\"".to_owned(),
                    (None, "apos") => "'".to_owned(),
                    (None, other) => return Err(format!("not XML: no entity is named {other:?}")),
                };
                add_text(&mut open, &words)?;
                None
            }
            Event::Decl(_) | Event::Comment(_) => None,
            Event::PI(_) | Event::DocType(_) => {
                return Err("TwiML has no processing instructions and no DOCTYPE".to_owned());
            }
            Event::Eof if open.is_empty() => {
                return root.ok_or_else(|| "there is no document".to_owned());
            }
            Event::Eof => return Err("the document ends too early".to_owned()),
        };
        if let Some(done) = done {
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None if root.is_none() => root = Some(done),
                None => return Err("there is something after the document".to_owned()),
            }
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("not XML: {error}"))?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|error| format!("not XML: {error}"))?;
        attributes.push((attribute.key.0.to_owned(), value.into_owned()));
    }
    Ok(Element {
        name: start.name().0.to_owned(),
        attributes,
        text: String::new(),
        children: Vec::new(),
    })
}

fn add_text(open: &mut [Element], words: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(words),
        None if words.trim().is_empty() => {}
        None => return Err("there is text outside the document".to_owned()),
    }
    Ok(())
}

impl Element {
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.attributes.iter().position(|(n, _)| n == name)?;
        Some(self.attributes.swap_remove(at).1)
    }

    pub(super) fn take_bool(&mut self, name: &str, default: bool) -> Result<bool, String> {
        match self.take(name).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(self.bad(name, other)),
        }
    }

    pub(super) fn take_number(&mut self, name: &str) -> Result<Option<u32>, String> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(self.bad(name, &value)),
        }
    }

    /// Removes an attribute that has no effect here, if it is given; fails if its value is not one of `values`.
    pub(super) fn ignore(&mut self, name: &str, values: &[&str]) -> Result<(), String> {
        match self.take(name) {
            Some(value) if !values.contains(&value.as_str()) => Err(self.bad(name, &value)),
            _ => Ok(()),
        }
    }

    pub(super) fn bad(&self, attribute: &str, value: &str) -> String {
        format!("<{}> can't have {attribute}={value:?}", self.name)
    }

    pub(super) fn without_attributes(&self) -> Result<&Self, String> {
        match self.attributes.first() {
            Some((name, _)) => Err(format!("<{}> has no attribute {name:?}", self.name)),
            None => Ok(self),
        }
    }

    pub(super) fn without_children(&self) -> Result<&Self, String> {
        match self.children.first() {
            Some(child) => Err(format!("<{}> can't be in <{}>", child.name, self.name)),
            None => Ok(self),
        }
    }

    pub(super) fn without_text(&self) -> Result<&Self, String> {
        match self.text.trim() {
            "" => Ok(self),
            _ => Err(format!("<{}> has no text of its own", self.name)),
        }
    }

    /// Returns the element's text, trimmed; fails if that is empty, or if an attribute or a child is left.
    pub(super) fn only_text(&self) -> Result<String, String> {
        match self.without_attributes()?.without_children()?.text.trim() {
            "" => Err(format!("<{}> is empty", self.name)),
            text => Ok(text.to_owned()),
        }
    }

    pub(super) fn nothing_left(&self) -> Result<(), String> {
        self.without_attributes()?
            .without_children()?
            .without_text()?;
        Ok(())
    }
}
