//! Common parts of all pages: the member, the language, the state of the member's lines. Also error pages.

use super::changes::Changes;
use super::cookies;
use super::said;
use super::unanswered;
use super::words::{Words, words};
use crate::desk::rights::{OnReports, Right, SignedIn};
use crate::desk::{self, DeskError, Inspector, Invalid, attention, live, standing};
use crate::line::hours::Phase;
use crate::members::login::Use;
use crate::report::role::Role;
use crate::service::Service;
use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::error;

/// The data that the frame of every page needs.
pub(super) struct Page {
    pub w: &'static Words,
    /// The member's name; `None` on a page without a member.
    pub who: Option<String>,
    /// The member's id; empty if none is signed in.
    pub member: String,
    /// The pages that the member may open, in the navigation.
    pub nav: Vec<Nav>,
    /// The member's first page.
    pub home: &'static str,
    /// Address that a change of the language redirects to, and from which a page with `renews` fetches its new
    /// contents: usually the page's own.
    pub back: String,
    /// The state of the lines that the page lists, one banner per line.
    pub banners: Vec<Banner>,
    /// Warnings above the page, such as a flood of calls or jobs that fail.
    pub warnings: Vec<String>,
    /// Changes of members that a lead has not dismissed; empty for other members.
    pub changes: Changes,
    /// Address of the page's event stream; empty if no member is signed in.
    pub live: String,
    /// True if the page fetches its contents again at each `changed` event.
    pub renews: bool,
    /// True if the member is a lead.
    pub lead: bool,
}

/// An entry of the navigation.
pub(super) struct Nav {
    pub href: &'static str,
    /// The key that opens the page; empty if there is none.
    pub key: &'static str,
    pub name: String,
    pub is_here: bool,
}

/// Returns the entries of the navigation for a role, with the page named `here` marked as current.
fn nav(w: &Words, role: Role, here: &str) -> Vec<Nav> {
    let pages: &[(&str, &'static str, &'static str, &String)] = match role {
        Role::Lead | Role::Inspector => &[
            ("queue", "/console/", "q", &w.queue),
            ("abandoned", "/console/abandoned", "a", &w.abandoned),
            ("calendar", "/console/calendar", "d", &w.calendar),
            ("hear", "/console/hear", "l", &w.hear),
            ("members", "/console/members", "m", &w.members),
            ("help", "/console/help", "h", &w.help),
        ],
        Role::Auditor => &[("audits", AUDITS, "", &w.audits)],
        Role::Operator => &[("operations", OPERATIONS, "", &w.operations)],
        Role::SecurityAdmin => &[("accounts", ACCOUNTS, "", &w.accounts)],
    };
    let entries = pages.iter().map(|(name, href, key, words)| Nav {
        href,
        key,
        name: (*words).clone(),
        is_here: *name == here,
    });
    entries.collect()
}

pub(super) const AUDITS: &str = "/console/audits";
pub(super) const OPERATIONS: &str = "/console/operations";
pub(super) const ACCOUNTS: &str = "/console/accounts";

/// Returns the first page of a member with this role.
pub(super) fn home(role: Role) -> &'static str {
    match role {
        Role::Lead | Role::Inspector => "/console/",
        Role::Auditor => AUDITS,
        Role::Operator => OPERATIONS,
        Role::SecurityAdmin => ACCOUNTS,
    }
}

/// The state of a line, in the strip above a page.
pub(super) struct Banner {
    pub name: String,
    pub phase: &'static str,
    pub kind: &'static str,
    pub mark: &'static str,
    pub opens: Option<String>,
    pub now: String,
}

impl Page {
    /// Returns the common parts of a page without a member, in the language that the headers ask for.
    pub fn bare(headers: &HeaderMap, back: &str) -> Self {
        Self {
            back: back.to_owned(),
            ..Self::of_nobody(words(cookies::language(headers)))
        }
    }

    pub(super) fn of_nobody(w: &'static Words) -> Self {
        Self {
            w,
            who: None,
            member: String::new(),
            nav: Vec::new(),
            home: "/console/",
            back: String::new(),
            banners: Vec::new(),
            warnings: Vec::new(),
            changes: Changes::default(),
            live: String::new(),
            renews: false,
            lead: false,
        }
    }
}

/// A request by a member who is signed in and has this right.
pub(super) struct Visit<R = Inspector> {
    pub who: R,
    pub w: &'static Words,
    back: String,
}

impl<R: OnReports> Visit<R> {
    /// Returns the common parts of a page; `here` is its [`Page::here`].
    pub async fn page(&self, service: &Service, here: &'static str) -> Result<Page, Stop> {
        self.page_of(service, here, None).await
    }

    /// Like [`Visit::page`], for a page that may show only the line `chosen`. For a member with many lines, this line
    /// is then among those that the page lists; a line that is not the member's is ignored.
    pub async fn page_of(
        &self,
        service: &Service,
        here: &'static str,
        chosen: Option<&str>,
    ) -> Result<Page, Stop> {
        let mut banners = Vec::new();
        let mut warnings = Vec::new();
        let mut changes = Changes::default();
        let lead = self.who.inspector().is_lead();
        let after = live::now(service, self.who.inspector(), None)
            .await
            .map_err(|error| self.stop(error))?;
        let lines = attention::lines(service, self.who.inspector(), chosen)
            .await
            .map_err(|error| self.stop(error))?;
        if service.clock.shift().is_some() {
            warnings.push(self.w.clock_shifted.clone());
        }
        for line in &lines {
            let standing = standing::of(service, line)
                .await
                .map_err(|error| self.stop(error))?;
            let staffed = matches!(standing.phase, Phase::Open | Phase::IntakeClosed);
            let name = line
                .words
                .get(self.w.lang.as_str())
                .unwrap_or(&line.words[&line.languages[0]]);
            banners.push(Banner {
                name: format!("{} {}", line.dial, name.name),
                phase: said::phase(self.w, standing.phase),
                kind: if staffed { "staffed" } else { "off" },
                mark: if staffed { "●" } else { "◌" },
                opens: standing
                    .reopens_at
                    .map(|at| said::moment(self.w, at.to_utc(), line.schedule.timezone)),
                now: said::clock(self.w, standing.now),
            });
            if standing.recent.is_flood() {
                let text = self.w.flood.replace("{line}", &line.dial);
                let text = text.replace("{count}", &standing.recent.without_message.to_string());
                warnings.push(text.replace("{usual}", &standing.recent.usual.to_string()));
            }
            if lead && standing.shared_receipts > 0 {
                let text = self.w.receipt_shared.replace("{line}", &line.dial);
                warnings.push(text.replace("{count}", &standing.shared_receipts.to_string()));
            }
        }
        if service.put_back.load(Ordering::Relaxed) {
            warnings.push(self.w.put_back.clone());
        }
        let refusals = service.db.console.proofs().refusals();
        if refusals > 0 {
            let count = refusals.to_string();
            warnings.push(self.w.rows_refused.replace("{count}", &count));
        }
        if lead {
            let standing = standing::of_service(service)
                .await
                .map_err(|error| self.stop(error))?;
            if standing.jobs_failing > 0 {
                let count = standing.jobs_failing.to_string();
                warnings.push(self.w.jobs_failing.replace("{count}", &count));
            }
            if standing.strays > 0 {
                let count = standing.strays.to_string();
                warnings.push(self.w.strays.replace("{count}", &count));
            }
        }
        for line in lines {
            let changed = desk::changes::of(service, self.who.inspector(), line)
                .await
                .map_err(|error| self.stop(error))?;
            changes.add(self.w, &line.id, line.schedule.timezone, &changed);
            let waived = desk::team::waived_by(service, line)
                .await
                .map_err(|error| self.stop(error))?;
            if let Some(name) = waived {
                let text = self.w.waived.replace("{line}", &line.id);
                warnings.push(text.replace("{name}", &name));
            }
        }
        Ok(Page {
            w: self.w,
            who: Some(self.who.inspector().name().to_owned()),
            member: self.who.inspector().id().to_string(),
            nav: nav(self.w, self.who.inspector().role(), here),
            home: "/console/",
            back: self.back.clone(),
            banners,
            warnings,
            changes,
            live: format!("/console/events?after={after}"),
            renews: false,
            lead,
        })
    }
}

impl<R: Right> Visit<R> {
    /// Returns the common parts of a page of a member whose role does not work on reports: without the state of lines,
    /// and without live updates.
    pub fn page_apart(&self, service: &Service, here: &'static str) -> Page {
        let who = self.who.signed_in();
        let mut warnings = Vec::new();
        if service.clock.shift().is_some() {
            warnings.push(self.w.clock_shifted.clone());
        }
        Page {
            who: Some(who.name().to_owned()),
            member: who.id().to_string(),
            nav: nav(self.w, who.role(), here),
            home: home(who.role()),
            back: self.back.clone(),
            warnings,
            ..Page::of_nobody(self.w)
        }
    }
}

impl Visit<SignedIn> {
    /// Returns the common parts of a page that is for every role.
    pub async fn page_of_any(&self, service: &Service, here: &'static str) -> Result<Page, Stop> {
        if !self.who.role().works_on_reports() {
            return Ok(self.page_apart(service, here));
        }
        let who = Inspector::of(service, self.who.clone())
            .await
            .map_err(|error| self.stop(error))?;
        let visit = Visit {
            who,
            w: self.w,
            back: self.back.clone(),
        };
        visit.page(service, here).await
    }
}

impl<R> Visit<R> {
    /// Returns the response to an error of this request.
    pub fn stop(&self, error: impl Into<DeskError>) -> Stop {
        Stop::new(self.w, &self.back, error.into())
    }
}

impl<R: Right> FromRequestParts<Arc<Service>> for Visit<R> {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Stop> {
        let w = words(cookies::language(&parts.headers));
        let back = parts
            .uri
            .path_and_query()
            .map_or("/console/", |path| path.as_str())
            .to_owned();
        let script = parts.headers.contains_key("hx-request");
        let refused = |error| Stop {
            script,
            ..Stop::new(w, &back, error)
        };
        let token = cookies::token(service, &parts.headers)
            .ok_or(DeskError::LoggedOut)
            .map_err(refused)?;
        let by = if script && parts.method == Method::GET {
            Use::Page
        } else {
            Use::Member
        };
        let who = R::admit(service, &token, by).await.map_err(|error| Stop {
            was_in: true,
            ..refused(error)
        })?;
        Ok(Self { who, w, back })
    }
}

/// The response to an error: an error page or, if the client is not logged in, a redirect to the sign-in page.
pub(super) struct Stop {
    w: &'static Words,
    back: String,
    error: DeskError,
    /// True if the request has an `HX-Request` header, that is, if a script sent it. Only set for errors of [`Visit`]'s
    /// extraction.
    script: bool,
    /// True if the request has a session's token, so that the sign-in page says that the session has ended.
    was_in: bool,
}

impl Stop {
    fn new(w: &'static Words, back: &str, error: DeskError) -> Self {
        Self {
            w,
            back: back.to_owned(),
            error,
            script: false,
            was_in: false,
        }
    }
}

/// Returns the text that tells the member what is wrong with their request. `None` for errors with other texts: no
/// session, no right, nothing found, and internal failures.
pub(super) fn in_words<'a>(w: &'a Words, error: &DeskError) -> Option<&'a str> {
    Some(match error {
        DeskError::WrongStatus(..) => &w.wrong_status,
        DeskError::SomebodyElses => &w.somebody_elses,
        DeskError::NoReceipt => &w.no_receipt,
        DeskError::OwnReply => &w.own_reply,
        DeskError::Closed => &w.report_closed,
        DeskError::Invalid(Invalid::EmptyReply) => &w.empty_reply,
        DeskError::Invalid(Invalid::LongReply) => &w.long_reply,
        DeskError::Invalid(Invalid::EmptyNote) => &w.empty_note,
        DeskError::Invalid(Invalid::LongNote) => &w.long_note,
        DeskError::Invalid(Invalid::NoDestination) => &w.no_destination,
        DeskError::Invalid(Invalid::LongDestination) => &w.long_destination,
        DeskError::Invalid(Invalid::Classification(_) | Invalid::Cursor | Invalid::Choice) => {
            &w.bad_choice
        }
        DeskError::Invalid(Invalid::NoSuchReference) => &w.no_such_reference,
        DeskError::Invalid(Invalid::Name) => &w.bad_name,
        DeskError::Invalid(Invalid::ReservedName) => &w.reserved_name,
        DeskError::Invalid(Invalid::NameTaken) => &w.name_taken,
        DeskError::Invalid(Invalid::NameLooksLike) => &w.name_looks_like,
        DeskError::Invalid(Invalid::Role) => &w.bad_choice,
        DeskError::Invalid(Invalid::OwnPassword) => &w.own_password_wrong,
        DeskError::Invalid(Invalid::PasswordAgain) => &w.own_password_again,
        DeskError::OthersLine => &w.others_line,
        DeskError::LastOne => &w.last_one,
        DeskError::NoThird => &w.no_third,
        DeskError::EnoughMembers => &w.enough_members,
        DeskError::TooManyTries => &w.too_many_logins,
        DeskError::Invalid(Invalid::ShortPassword) => &w.short_password,
        DeskError::Invalid(Invalid::CommonPassword) => &w.common_password,
        DeskError::Invalid(Invalid::WrongPassword) => &w.wrong_password,
        DeskError::Invalid(Invalid::NoLine) => &w.no_line,
        DeskError::Invalid(Invalid::NoReports) => &w.bad_choice,
        DeskError::Invalid(Invalid::Oneself) => &w.oneself,
        _ => return None,
    })
}

/// Returns the status of the page for an error.
pub(super) fn status_of(error: &DeskError) -> StatusCode {
    match error {
        DeskError::LoggedOut => StatusCode::UNAUTHORIZED,
        DeskError::NotForThisRole | DeskError::LeadsOnly => StatusCode::FORBIDDEN,
        DeskError::Missing => StatusCode::NOT_FOUND,
        DeskError::WrongStatus(..)
        | DeskError::SomebodyElses
        | DeskError::NoReceipt
        | DeskError::OwnReply
        | DeskError::Closed
        | DeskError::OthersLine
        | DeskError::LastOne
        | DeskError::NoThird
        | DeskError::EnoughMembers => StatusCode::CONFLICT,
        DeskError::TooManyTries => StatusCode::TOO_MANY_REQUESTS,
        // The input is well formed, but the line has no such report.
        DeskError::Invalid(Invalid::NoSuchReference) => StatusCode::CONFLICT,
        DeskError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        DeskError::Store(_) | DeskError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Template)]
#[template(path = "problem.html", config = "src/web/askama.toml")]
pub(super) struct ProblemPage<'a> {
    pub page: Page,
    pub title: &'a str,
    pub text: &'a str,
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let w = self.w;
        if matches!(self.error, DeskError::LoggedOut) {
            if self.script {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            return Redirect::to(if self.was_in {
                "/console/sign-in?again=1"
            } else {
                "/console/sign-in"
            })
            .into_response();
        }
        let status = status_of(&self.error);
        let (title, text) = match &self.error {
            DeskError::Missing => (&w.missing_title, w.missing_text.as_str()),
            DeskError::NotForThisRole => (&w.forbidden_title, w.forbidden_text.as_str()),
            DeskError::LeadsOnly => (&w.forbidden_title, w.leads_only.as_str()),
            error => match in_words(w, error) {
                Some(text) => (&w.error_title, text),
                None => {
                    error!(%error, "console page failed");
                    (&w.failed_title, w.failed_text.as_str())
                }
            },
        };
        let page = Page {
            back: self.back,
            ..Page::of_nobody(w)
        };
        let (title, text) = (title.as_str(), text);
        let html = render(&ProblemPage { page, title, text });
        let mut response = (status, html).into_response();
        if !self.script {
            response.extensions_mut().insert(Refused {
                title: title.to_owned(),
                text: text.to_owned(),
            });
        }
        response
    }
}

/// Extension of a response that is an error page without the common frame: its texts, for [`framed`].
#[derive(Clone)]
pub(super) struct Refused {
    pub title: String,
    pub text: String,
}

/// Puts error pages into the common frame of pages: navigation, lines, signing out. Without a session, or if the frame
/// cannot be made, the error page stays without it. A request that was refused without a page gets one: see
/// [`unanswered`]. Responses to scripts (`HX-Request`) are not changed.
pub(super) async fn framed(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let asked = parts.clone();
    let response = next.run(Request::from_parts(asked, body)).await;
    if parts.headers.contains_key("hx-request") {
        return response;
    }
    let response = unanswered::explained(words(cookies::language(&parts.headers)), response);
    let Some(refused) = response.extensions().get::<Refused>().cloned() else {
        return response;
    };
    let Ok(mut visit) = Visit::<SignedIn>::from_request_parts(&mut parts, &service).await else {
        return response;
    };
    if parts.method != Method::GET || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // A change of the language redirects to `back`, and a request for a form's address with GET would find no page.
        visit.back = home(visit.who.role()).to_owned();
    }
    match visit.page_of_any(&service, "").await {
        Ok(page) => {
            let (title, text) = (refused.title.as_str(), refused.text.as_str());
            let html = render(&ProblemPage { page, title, text });
            let mut framed = (response.status(), html).into_response();
            if let Some(allow) = response.headers().get(header::ALLOW) {
                framed.headers_mut().insert(header::ALLOW, allow.clone());
            }
            framed
        }
        Err(_) => response,
    }
}

#[derive(Template)]
#[template(path = "banners.html", config = "src/web/askama.toml")]
struct Banners {
    page: Page,
}

/// `GET /console/banners`, for members. The strip above a page, which an open page fetches again: the state of their
/// lines, warnings and changes.
pub(super) async fn banners(
    State(service): State<Arc<Service>>,
    visit: Visit,
) -> Result<Response, Stop> {
    let page = visit.page(&service, "").await?;
    Ok(render(&Banners { page }))
}

/// Answers requests for unknown paths below `/console/` with 404 and an error page.
pub(super) async fn not_found(State(_): State<Arc<Service>>, headers: HeaderMap) -> Stop {
    let w = words(cookies::language(&headers));
    Stop::new(w, "/console/", DeskError::Missing)
}

/// Renders a template as a response that is not cached; 500 if it cannot be rendered.
pub(super) fn render(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => ([(header::CACHE_CONTROL, "no-store")], Html(text)).into_response(),
        Err(error) => {
            error!(%error, "page template not rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
