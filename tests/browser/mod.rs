//! Pages in a real browser: Debian's Chromium without a window, told what to do over WebDriver.
//!
//! | file | what it is |
//! |---|---|
//! | [`driver`] | the program that starts browsers |
//! | [`window`] | a browser's window: what a person does and sees in it |
//! | `phone` | the simulated telephone |
//!
//! With `DUTYLINE_SCREENSHOTS=DIR` pictures of the pages are put there, for whoever wants to look.

mod driver;
mod phone;
mod window;

pub use window::Window;
