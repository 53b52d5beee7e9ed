//! Pages in a real browser: Debian's Chromium without a window, told what to do over WebDriver.
//!
//! | file | what it is |
//! |---|---|
//! | [`driver`] | the program that starts browsers |
//! | [`window`] | a browser's window: what a person does and sees in it |
//! | [`office`] | a line, and people at its console |
//! | `phone` | the simulated telephone |
//! | `console` | reports, from the telephone to their end |
//! | `keyboard` | the console without a mouse |
//! | `pages` | every page of the console, to be looked at |
//! | `sessions` | the console while sessions end and connections break |
//!
//! With `DUTYLINE_SCREENSHOTS=DIR` pictures of the pages are put there, for whoever wants to look.

mod console;
mod driver;
mod keyboard;
mod office;
mod pages;
mod phone;
mod sessions;
mod window;

pub use window::Window;
