//! Who may use which address. There is no way to add one without saying so: the routers are made of [`Routes`], and the
//! lints refuse `Router::route` elsewhere. A test tries every route of [`super::table`] as everybody, on their own
//! things and on others'.

use crate::service::Service;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, any, get, post};
use std::sync::Arc;

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Anybody: it holds nothing of anybody.
    Anybody,
    /// Providers: what they send is signed, and is refused before it is read otherwise.
    Provider,
    /// Providers that hold a connection, with their credentials; for another provider it is missing.
    Switch,
    /// Whoever has the key that stands in the address; with another one it is missing.
    Key,
    /// Whoever is logged in, whatever their role: it concerns their session alone.
    Session,
    /// Members whose role works on reports; they see what is on their lines.
    Inspector,
    /// The same, and the line or report in the address must be theirs: a foreign one is missing.
    OwnLine,
    /// Leads.
    Lead,
    /// Members whose role works on reports, and the member in the address must share a line with them: a foreign one is
    /// missing.
    Colleague,
    /// Leads, and the member in the address must share a line with them: a foreign one is missing.
    OwnMember,
    /// Whoever reaches the operators' listener.
    Operator,
}

/// An address and who may use it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method; none when every method is answered the same.
    pub method: Option<Method>,
    /// The address, with what is variable in braces.
    pub path: String,
    /// Who may.
    pub policy: Policy,
}

/// Addresses with their policies, and the router made of them.
pub(super) struct Routes {
    router: Router<Arc<Service>>,
    table: Vec<Route>,
}

impl Routes {
    /// None yet.
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            table: Vec::new(),
        }
    }

    /// What `GET` at `path` does.
    pub fn get<H, T>(self, path: &str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        self.add(Some(Method::GET), path, policy, get(handler))
    }

    /// What `POST` at `path` does.
    pub fn post<H, T>(self, path: &str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        self.add(Some(Method::POST), path, policy, post(handler))
    }

    /// What `POST` at `path` does, with a body of up to `limit` bytes.
    pub fn post_up_to<H, T>(self, limit: usize, path: &str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        let route = post(handler).layer(DefaultBodyLimit::max(limit));
        self.add(Some(Method::POST), path, policy, route)
    }

    /// What every method at `path` does.
    pub fn any<H, T>(self, path: &str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        self.add(None, path, policy, any(handler))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where a route gets its policy"
    )]
    fn add(
        mut self,
        method: Option<Method>,
        path: &str,
        policy: Policy,
        route: MethodRouter<Arc<Service>>,
    ) -> Self {
        self.table.push(Route {
            method,
            path: path.to_owned(),
            policy,
        });
        self.router = self.router.route(path, route);
        self
    }

    /// The router.
    pub fn router(self) -> Router<Arc<Service>> {
        self.router
    }

    /// The addresses and who may use them.
    pub fn table(self) -> Vec<Route> {
        self.table
    }
}
