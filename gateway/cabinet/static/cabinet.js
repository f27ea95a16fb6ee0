// Comfort only: every page works without this file. No storage, no foreign requests.
const all = (selector, root = document) => root.querySelectorAll(selector);

for (const summary of all("[data-focus]")) summary.focus();

for (const input of all("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain suffix";
  const { show, hide } = document.documentElement.lang === "en"
    ? { show: "Show", hide: "Hide" } : { show: "Показать", hide: "Скрыть" };
  button.textContent = show;
  button.addEventListener("click", () => {
    const hidden = input.type === "password";
    input.type = hidden ? "text" : "password";
    button.textContent = hidden ? hide : show;
  });
  input.after(button);
}

for (const text of all("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  const { copy, copied } = document.documentElement.lang === "en"
    ? { copy: "Copy", copied: "Copied" } : { copy: "Скопировать", copied: "Скопировано" };
  const value = text.textContent.trim();
  button.textContent = copy;
  button.setAttribute("aria-live", "polite");
  button.setAttribute("aria-label", `${copy} ${value}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(value);
    button.removeAttribute("aria-label");
    button.textContent = copied;
  });
  text.append(" ", button);
}
