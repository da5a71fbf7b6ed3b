//! The page: what is broken, since when, who says so, and whether anybody has been told.
//!
//! The whole page is made here, from one view, and works as it is without JavaScript. With it, the
//! browser fetches the same address again when something has changed and puts the differences in
//! place. So there is one way to draw a target, and text from outside is escaped in one place, by
//! askama. A page shows a bounded number of rows; search, filter and further pages are links.
//!
//! `model` turns a view into what the template shows.

mod model;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use self::model::{Asked, Model};
use super::{Params, Shared, Trouble};

/// `/`.
pub(super) async fn show(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    let view = shared.desk(&params)?.now();
    let asked = Asked {
        query: params.text("q").unwrap_or_default().trim().chars().take(100).collect(),
        state: params.text("state").filter(|state| model::STATES.iter().any(|(known, _)| known == state)).unwrap_or_default().into(),
        page: params.number("page", 1, 1, 10_000)? as usize,
    };
    let networks = shared.desks.iter().map(|desk| model::tab(&desk.now(), &view.network)).collect();
    let page = Page { several: 1 < shared.desks.len(), networks, model: Model::of(&view, asked) };
    let html = page.render().map_err(|error| {
        Trouble::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the page could not be made: {error}"),
            "Use /api/v1/state, and report this.",
        )
    })?;
    Ok(Html(html).into_response())
}

/// `/icon.svg?worst=`: the standing as an icon, so that a tab in the background tells.
pub(super) async fn icon(params: Params) -> Response {
    let (colour, shape) = match params.text("worst") {
        Some("up") => ("#0a7d5a", "M9 17l5 5 10-12"),
        Some("degraded") => ("#b26a00", "M16 7v11M16 23v2"),
        Some("down") => ("#c62828", "M9 9l14 14M23 9L9 23"),
        _ => ("#64748b", "M8 16h16"),
    };
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><circle cx=\"16\" cy=\"16\" r=\"16\" fill=\"{colour}\"/>\
         <path d=\"{shape}\" fill=\"none\" stroke=\"#fff\" stroke-width=\"4\" stroke-linecap=\"round\"/></svg>"
    );
    ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response()
}

#[derive(Template)]
#[template(path = "page.html", config = "src/front/web/askama.toml")]
struct Page<'a> {
    several: bool,
    networks: Vec<model::Tab>,
    model: Model<'a>,
}
