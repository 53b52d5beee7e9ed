//! Pages in a real browser: Debian's headless Chromium, controlled over WebDriver.
//!
//! | file | contents |
//! |---|---|
//! | [`driver`] | the program that starts browsers |
//! | [`window`] | a browser's window: a person's actions and what is visible |
//! | [`office`] | a line, and members at its console |
//! | `phone` | the simulated telephone |
//! | `console` | reports, from the call to their closing |
//! | `keyboard` | the console without a mouse |
//! | `pages` | the appearance of every page of the console |
//! | `sessions` | the console while sessions end and connections break |
//!
//! `DUTYLINE_SCREENSHOTS=DIR` writes pictures of the pages to that folder.

mod console;
mod driver;
mod keyboard;
mod office;
mod pages;
mod phone;
mod sessions;
mod window;

pub use window::Window;
