//! A provider's library, running as a process that answers one line at a time.

use super::asked::{Asked, NOW};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Library {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Library {
    pub fn python(name: &str) -> Self {
        let mut python = Command::new(folder().join("bin/python"));
        // Isolated, so that no local module precedes the libraries and no compiled files are written.
        python.args(["-I", "-B"]);
        Self::start(python, &format!("{name}_python.py"))
    }

    pub fn node(name: &str) -> Self {
        let mut node = Command::new("node");
        node.env("NODE_PATH", folder().join("node_modules"));
        Self::start(node, &format!("{name}_node.js"))
    }

    fn start(mut command: Command, script: &str) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures");
        let mut child = command
            .arg(scripts.join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter");
        Self {
            questions: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Returns what the library signs, or what its documentation says is to be signed.
    pub fn sign(&mut self, asked: &Asked) -> String {
        let answer = self.ask("sign", asked, "");
        answer.as_str().expect("a signature").to_owned()
    }

    /// True if the library accepts the signature.
    pub fn takes(&mut self, asked: &Asked, signature: &str) -> bool {
        let answer = self.ask("takes", asked, signature);
        answer.as_bool().expect("yes or no")
    }

    fn ask(&mut self, what: &str, asked: &Asked, signature: &str) -> Value {
        let question = json!({
            "do": what,
            "secret": asked.secret,
            "url": asked.url,
            "fields": asked.fields,
            "body": asked.body,
            "raw": asked.raw(),
            "settings": asked.settings.as_deref().unwrap_or_default(),
            "at": asked.at,
            "now": NOW,
            "signature": signature,
        });
        let questions = self.questions.as_mut().unwrap();
        writeln!(questions, "{question}").expect("a library that listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        serde_json::from_str(&answer)
            .unwrap_or_else(|_| panic!("no answer, but {answer:?}, to {question}"))
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // The process ends at the end of its input.
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}

fn folder() -> PathBuf {
    std::env::var_os("DUTYLINE_TEST_SIGNATURES")
        .expect(
            "DUTYLINE_TEST_SIGNATURES is not set: `tests/run` gets the providers' libraries and sets it; to leave these tests out, skip `libraries`",
        )
        .into()
}
