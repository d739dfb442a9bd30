// Signing in: with a name and a password, or with a token.

import { h, set } from "./dom.js";
import { session, signIn } from "./api.js";
import { field } from "./parts.js";

/** The form; done is called when somebody is signed in. */
export function login(done) {
  const error = h("div", { role: "alert" });
  const user = h("input", { name: "user", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const token = h("input", { name: "token", type: "password", autocomplete: "off", spellcheck: "false" });
  const named = h("div", { class: "stack" }, field("Name", user), field("Password", password));
  const byToken = h("div", { class: "stack", hidden: true }, field("Token", token, "As byeguard printed it when it was made"));
  const go = h("button", { type: "submit", class: "button button-main" }, "Sign in");
  const other = h("button", { type: "button", class: "button button-quiet" }, "Use a token instead");
  const form = h("form", { class: "login", novalidate: true, "aria-labelledby": "login-title" },
    h("h1", { id: "login-title" }, "Sign in to byeguard"),
    h("p", { class: "muted" }, "See which calls lost their ending, and what was done about it."),
    error, named, byToken, go, other);
  other.addEventListener("click", () => {
    const useToken = byToken.hidden;
    byToken.hidden = !useToken;
    named.hidden = useToken;
    other.textContent = useToken ? "Use name and password instead" : "Use a token instead";
    set(error);
    (useToken ? token : user).focus();
  });
  if (!session.passwords) {
    other.click();
    other.hidden = true;
  }
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const useToken = !byToken.hidden;
    const missing = useToken ? [token] : [user, password];
    const first = missing.find((i) => !i.value);
    for (const i of missing) i.toggleAttribute("aria-invalid", false);
    if (first) {
      first.setAttribute("aria-invalid", "true");
      set(error, h("p", { class: "form-error" }, useToken ? "Enter a token." : first === user ? "Enter your name." : "Enter your password."));
      first.focus();
      return;
    }
    go.disabled = true;
    set(error);
    try {
      await signIn(useToken ? { token: token.value.trim() } : { user: user.value, password: password.value });
      done();
    } catch (err) {
      const words = err.status === 401 ? (useToken ? "This token is not known, or is not valid any more." : "Name or password is wrong.")
        : err.message;
      set(error, h("p", { class: "form-error" }, words));
      go.disabled = false;
      (useToken ? token : password).select();
    }
  });
  return form;
}
