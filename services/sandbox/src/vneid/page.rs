use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::citizens::{Found, Level, SHOWN_MAX};
use super::login::Ticket;
use super::request::AuthorizationRequest;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;\
padding:0 1rem;color:#1b1b1b;background:#fff}h1{font-size:1.4rem}fieldset{border:1px solid #767676;\
border-radius:.4rem;margin:1rem 0}label{display:block;padding:.35rem 0}button,input[type=search]{\
font:inherit;padding:.45rem .9rem}.note{border-left:.3rem solid #b3261e;padding:.2rem .8rem}\
:focus-visible{outline:3px solid #0b57d0;outline-offset:2px}";

/// What may be done by a page of this server that sends its form to `target` in the end: a browser
/// holds the redirect behind a form against the same list.
pub(crate) fn content_security_policy(target: Option<&str>) -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let target = target.map_or(String::new(), |it| format!(" {it}"));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'{target}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// The citizens to choose from, a box to search for others, and a way to refuse.
pub(crate) fn choice(
    request: &AuthorizationRequest,
    ticket: &Ticket,
    words: &str,
    found: &[Found],
) -> String {
    let mut main = String::from(
        "<h1>VNeID thử nghiệm: chọn công dân để đăng nhập</h1>\n\
         <p class=\"note\">Đây là hệ thống giả lập để thử nghiệm, không phải VNeID thật. \
         Công dân trong danh sách không có thật.</p>\n",
    );
    let client = escape(&request.client_id);
    let told = if request.scope.citizen {
        "số định danh, họ tên, ngày sinh và số giấy tờ cũ"
    } else if request.scope.profile {
        "họ tên và ngày sinh"
    } else {
        "một mã riêng, không kèm thông tin nào khác"
    };
    put(
        &mut main,
        format_args!("<p>Ứng dụng <strong>{client}</strong> sẽ nhận được: {told}.</p>\n"),
    );
    search_form(&mut main, request, words);
    choice_form(&mut main, request, ticket, found);
    document("Đăng nhập VNeID thử nghiệm", &main)
}

fn search_form(main: &mut String, request: &AuthorizationRequest, words: &str) {
    main.push_str("<form method=\"get\" action=\"/authorize\" role=\"search\">\n");
    for (name, value) in request.parameters() {
        hidden(main, name, value);
    }
    put(
        main,
        format_args!(
            "<label for=\"q\">Tìm theo họ tên hoặc số định danh</label>\n\
         <input type=\"search\" id=\"q\" name=\"q\" value=\"{}\" maxlength=\"100\" autocomplete=\"off\">\n\
         <button>Tìm</button>\n</form>\n",
            escape(words)
        ),
    );
}

fn choice_form(
    main: &mut String,
    request: &AuthorizationRequest,
    ticket: &Ticket,
    found: &[Found],
) {
    main.push_str("<form method=\"post\" action=\"/login\">\n");
    hidden(main, "request", &request.query());
    hidden(main, "issued_at", &ticket.issued_at.to_string());
    hidden(main, "csrf", &ticket.token);
    main.push_str("<fieldset>\n<legend>Công dân</legend>\n");
    if found.is_empty() {
        main.push_str("<p role=\"status\">Không tìm thấy công dân nào.</p>\n");
    }
    for (id, citizen) in found {
        let level = match citizen.level {
            Level::One => "mức 1",
            Level::Two => "mức 2",
        };
        put(
            main,
            format_args!(
                "<label><input type=\"radio\" name=\"citizen\" value=\"{id}\" required> {}, \
             số định danh {}, sinh {}, {level}</label>\n",
                escape(citizen.name.expose()),
                citizen.number.expose(),
                citizen.birthdate(),
            ),
        );
    }
    main.push_str("</fieldset>\n");
    if found.len() == SHOWN_MAX {
        put(
            main,
            format_args!(
                "<p>Chỉ hiện {SHOWN_MAX} công dân đầu tiên; hãy tìm để thấy người khác.</p>\n"
            ),
        );
    }
    main.push_str(
        "<button name=\"action\" value=\"allow\">Đăng nhập</button>\n\
         <button name=\"action\" value=\"deny\" formnovalidate>Từ chối</button>\n</form>\n",
    );
}

/// A sentence where nobody can be sent anywhere.
pub(crate) fn problem(sentence: &str) -> String {
    let sentence = escape(sentence);
    let main = format!("<h1>Không thể đăng nhập</h1>\n<p role=\"alert\">{sentence}</p>\n");
    document("Không thể đăng nhập", &main)
}

fn document(title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{main}</main>\n</body>\n</html>\n"
    )
}

fn hidden(html: &mut String, name: &str, value: &str) {
    let value = escape(value);
    put(
        html,
        format_args!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n"),
    );
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    html.write_fmt(text).expect("a string takes any text");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        let page = problem("<script>alert(\"1\") & '2'</script>");
        assert!(
            page.contains("&lt;script&gt;alert(&quot;1&quot;) &amp; &#39;2&#39;&lt;/script&gt;")
        );
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_policy_names_the_style_of_the_page() {
        let page = problem("x");
        let style = page
            .split("<style>")
            .nth(1)
            .unwrap()
            .split("</style>")
            .next()
            .unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(content_security_policy(None).contains(&format!("'sha256-{hash}'")));
        let policy = content_security_policy(Some("http://127.0.0.1:4000"));
        assert!(policy.contains("form-action 'self' http://127.0.0.1:4000;"));
    }
}
