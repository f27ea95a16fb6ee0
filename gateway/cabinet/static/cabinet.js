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
