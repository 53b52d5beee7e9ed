//! Access policies of addresses. No address can be added without a policy: the routers are made of [`Routes`], and the
//! lints refuse `Router::route` elsewhere. A test requests every route of [`super::table`] as each kind of client, with
//! the client's own objects and with those of others.

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
    /// Every client: the response contains no data of callers or members.
    Anybody,
    /// Providers: requests are signed; others are refused before their contents are read.
    Provider,
    /// Providers that hold a connection, with their credentials; 404 for other providers.
    Switch,
    /// Clients with the key in the address; 404 with another key.
    Key,
    /// Logged-in clients of any role: it concerns only their session.
    Session,
    /// Members whose role works on reports; they see the data of their lines.
    Inspector,
    /// Like `Inspector`, and the line or report in the address must be theirs; else 404.
    OwnLine,
    /// Leads.
    Lead,
    /// Like `Inspector`, and the member in the address must share a line with them; else 404.
    Colleague,
    /// Leads, and the member in the address must share a line with them; else 404.
    OwnMember,
    /// Clients that reach the operators' listener.
    Operator,
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
