// Passkeys: asks the authenticator, and posts its response with the form that waits for it.
const form = document.querySelector("form[data-passkey]");
const bytes = (text) => Uint8Array.from(
  atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode.apply(null, new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

// The options as the server writes them (WebAuthn's JSON), in the types of the browser.
const options = (wanted) => {
  wanted.challenge = bytes(wanted.challenge);
  if (wanted.user) wanted.user.id = bytes(wanted.user.id);
  for (const one of (wanted.allowCredentials || []).concat(wanted.excludeCredentials || [])) {
    one.id = bytes(one.id);
  }
  return { publicKey: wanted };
};

if (form && window.PublicKeyCredential) {
  form.hidden = false;
  for (const words of document.querySelectorAll("[data-scriptless]")) words.hidden = true;
  const failed = form.querySelector("[data-failed]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.hidden = true;
    try {
      const wanted = options(JSON.parse(form.dataset.passkey));
      const made = wanted.publicKey.user
        ? await navigator.credentials.create(wanted) : await navigator.credentials.get(wanted);
      const response = {};
      for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
        if (made.response[name]) response[name] = text(made.response[name]);
      }
      form.elements.credential.value = JSON.stringify(
        { id: made.id, rawId: text(made.rawId), type: made.type, response });
      form.submit();
    } catch (error) {
      failed.hidden = false;
    }
  });
}
