//! Access policies of addresses. Every address has a policy: a router is made of [`Routes`], or, for the API, of a list
//! of endpoints with their policies, and the lints refuse `Router::route` elsewhere. A test requests every route of
//! [`super::table`] as each kind of client, with ids of the client's own objects, of foreign objects and of none.

use crate::service::Service;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, any, get, post};
use std::sync::Arc;

/// Clients that may use an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Every client: the response contains no data of callers or members, unless the request has a session or logs in.
    Anybody,
    /// Providers, whose requests are signed: other requests are refused with 403 before their contents are parsed.
    Provider,
    /// Providers that hold a connection, with the configured credentials: 403 for other credentials, 404 for a provider
    /// that holds no connection.
    Switch,
    /// Clients with the key in the address; 404 with another key.
    Key,
    /// Clients with the token of a session, whatever the member's role: the request concerns only that session.
    Session,
    /// Logged-in members whose role works on reports; they see the calls and reports of their own lines.
    Inspector,
    /// Like `Inspector`; 404 unless the line in the address, or the line of the report in it, is the member's.
    OwnLine,
    /// Logged-in members with the role of a lead.
    Lead,
    /// Like `Inspector`; 404 unless the member in the address shares a line with the logged-in one. Leads also have
    /// access to members without a line.
    Colleague,
    /// Like `Lead`; 404 unless the member in the address shares a line with the lead, or has no line.
    OwnMember,
    /// Logged-in members of every role: the request concerns only their own account.
    Member,
    /// Logged-in members with the role of an auditor.
    Auditor,
    /// Logged-in members with the role of an operator.
    Operator,
    /// Logged-in members with the role of a security administrator.
    SecurityAdmin,
    /// Clients that reach the operators' listener.
    Listener,
}

/// An address with its policy.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method; `None` if all methods have the same handler.
    pub method: Option<Method>,
    /// The path, with its variable parts in braces.
    pub path: String,
    /// The policy.
    pub policy: Policy,
}

/// Addresses with their policies, and the router made of them.
pub(super) struct Routes {
    router: Router<Arc<Service>>,
    table: Vec<Route>,
}

impl Routes {
    /// Creates an empty set of routes.
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            table: Vec::new(),
        }
    }

    /// Adds a handler for `GET` at `path`.
    pub fn get<H, T>(self, path: &str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        self.add(Some(Method::GET), path, policy, get(handler))
    }

    /// Adds a handler for `POST` at `path`.
    pub fn post<H, T>(self, path: &str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        self.add(Some(Method::POST), path, policy, post(handler))
    }

    /// Adds a handler for `POST` at `path` with a body of up to `limit` bytes.
    pub fn post_up_to<H, T>(self, limit: usize, path: &str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        let route = post(handler).layer(DefaultBodyLimit::max(limit));
        self.add(Some(Method::POST), path, policy, route)
    }

    /// Adds a handler for all methods at `path`.
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

    /// Returns the router.
    pub fn router(self) -> Router<Arc<Service>> {
        self.router
    }

    /// Returns the addresses with their policies.
    pub fn table(self) -> Vec<Route> {
        self.table
    }
}
