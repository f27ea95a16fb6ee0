// Comfort only: every page works without this file. No storage, no foreign requests.
const all = (selector, root = document) => root.querySelectorAll(selector);

for (const summary of all("[data-focus]")) summary.focus();

// A closed row is not printed by older browsers.
addEventListener("beforeprint", () => { for (const row of all("details")) row.open = true; });

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

// The total of «Платежи-Оплатить» as it is typed; the server reads the sums for itself.
const english = document.documentElement.lang === "en";
const roubles = (kopecks) => {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  const text = (kopecks / 100).toLocaleString(english ? "en" : "ru", digits);
  return english ? "₽" + text : text + "\u00a0₽";
};
const kopecksOf = (input) => {
  const text = input.value.normalize("NFKC").replace(/\s|₽|р(уб)?[а-я]*\.?$|rub(les?)?$/gi, "").replace(",", ".");
  return /^(\d+(\.\d{1,2})?)?$/.test(text) ? Math.round(text * 100) : NaN;
};
for (const form of all("form.pay")) {
  for (const button of all("[data-scriptless]", form)) button.hidden = true;
  const [remains, above] = form.querySelector("[data-words]").dataset.words.split("|");
  const recount = () => {
    let total = 0;
    for (const account of all("fieldset", form)) {
      let paid = 0;
      for (const input of all("input[inputmode]", account)) paid += kopecksOf(input);
      total += paid;
      const line = account.querySelector("[data-due]");
      const left = line.dataset.due - paid;
      line.textContent = left ? (left > 0 ? remains : above) + " " + roubles(Math.abs(left)) : "";
    }
    form.querySelector("[data-total]").textContent = isNaN(total) ? "—" : roubles(total);
  };
  form.addEventListener("input", recount);
  recount();
}

// A payment that is not decided: twice a second for 3 s, every 3 s for a minute, then every 30 s for half an hour.
for (const line of all("[data-poll]")) {
  let asked = 0;
  const ask = async () => {
    const answer = await fetch(line.dataset.poll, { credentials: "same-origin" })
      .then((response) => response.json()).catch(() => null);
    if (answer && answer.state !== line.dataset.state) {
      line.textContent = answer.text;
      setTimeout(() => location.reload(), 1500);
    } else if (++asked < 86) setTimeout(ask, asked < 6 ? 500 : asked < 26 ? 3000 : 30000);
  };
  setTimeout(ask, 500);
}
