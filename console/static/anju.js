// @ts-check
"use strict";

/* The pages work without this file. It adds: live alerts, chosen rows, keys, and selects that apply at once. */
(() => {
  const QUIET_MS = 25000; // the server says something every ten seconds

  /** @param {string} selector */
  const one = (selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector));
  /** @param {string} selector */
  const all = (selector) => /** @type {HTMLElement[]} */ ([...document.querySelectorAll(selector)]);

  for (const select of all("select[data-submit]")) {
    select.addEventListener("change", () => /** @type {HTMLSelectElement} */ (select).form?.requestSubmit());
  }

  const picked = one("[data-picked]");
  document.addEventListener("change", () => {
    const count = all(".pick input:checked").length;
    if (picked) picked.textContent = count ? `（已选 ${count} 条）` : "";
    const details = picked?.closest("details");
    if (details && count) details.open = true;
  });

  const live = one("[data-live]");
  if (live) follow(live);

  /** @param {HTMLElement} sign */
  function follow(sign) {
    const words = { on: "实时", lost: "已断开，正在重连", off: "已暂停" };
    const title = document.title.replace(/^\(\d+\) /, "");
    let unseen = new Set();
    let after = Number(new URL(String(sign.dataset.live), location.href).searchParams.get("after"));
    /** @type {EventSource | null} */
    let source = null;
    let watchdog = 0;

    /** @param {"on" | "lost" | "off"} state */
    const show = (state) => {
      if (sign.dataset.state === state) return;
      sign.dataset.state = state;
      sign.textContent = words[state];
    };
    const heard = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => { show("lost"); open(); }, QUIET_MS);
      show("on");
    };
    const close = () => {
      clearTimeout(watchdog);
      source?.close();
      source = null;
    };
    const open = () => {
      close();
      source = new EventSource(`/alerts/live?after=${after}`);
      watchdog = setTimeout(open, QUIET_MS);
      source.addEventListener("beat", heard);
      source.addEventListener("reload", () => location.reload());
      source.addEventListener("error", () => show("lost"));
      source.addEventListener("step", (event) => {
        heard();
        after = Number(event.lastEventId);
        take(JSON.parse(event.data));
      });
    };

    /** @param {{alert: string, new: boolean, severity: string, html: string}} step */
    const take = (step) => {
      const row = document.getElementById(`a-${step.alert}`);
      if (row) {
        const checked = /** @type {HTMLInputElement | null} */ (row.querySelector(".pick input"))?.checked;
        const focus = row.contains(document.activeElement);
        const made = document.createElement("template");
        made.innerHTML = step.html;
        const line = made.content.querySelector(".what");
        const old = row.querySelector(".what");
        if (line && old) old.replaceWith(line);
        if (step.html.indexOf('class="quick"') < 0) row.querySelector(".quick")?.remove();
        row.classList.add("changed");
        const box = /** @type {HTMLInputElement | null} */ (row.querySelector(".pick input"));
        if (box && checked) box.checked = true;
        if (focus) /** @type {HTMLElement | null} */ (row.querySelector(".what"))?.focus();
        return;
      }
      if (!step.new || unseen.has(step.alert)) return;
      unseen.add(step.alert);
      const button = one(".fresh");
      if (button) {
        button.hidden = false;
        const number = button.querySelector("b");
        if (number) number.textContent = String(unseen.size);
      }
      document.title = `(${unseen.size}) ${title}`;
      if (step.severity === "critical") ring();
    };

    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { close(); show("off"); } else open();
    });
    open();
  }

  /* A browser lets a page sound only after its first touch. */
  function ring() {
    try {
      const sound = new AudioContext();
      const tone = sound.createOscillator();
      tone.frequency.value = 880;
      tone.connect(sound.destination);
      tone.start();
      tone.stop(sound.currentTime + 0.4);
    } catch { /* without sound the button and the title still tell */ }
  }

  /* j and k choose a row, Enter opens it, a acknowledges it, / goes to the search. */
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea")) return;
    const rows = all(".alert");
    const at = rows.findIndex((row) => row.classList.contains("chosen"));
    const choose = (/** @type {number} */ next) => {
      rows[at]?.classList.remove("chosen");
      rows[next]?.classList.add("chosen");
      /** @type {HTMLElement | null} */ (rows[next]?.querySelector(".what"))?.focus();
    };
    if (event.key === "j") choose(Math.min(at + 1, rows.length - 1));
    else if (event.key === "k") choose(Math.max(at - 1, 0));
    else if (event.key === "a") /** @type {HTMLFormElement | null} */ (rows[at]?.querySelector(".quick"))?.requestSubmit();
    else if (event.key === "/") { event.preventDefault(); one("input[type=search]")?.focus(); }
  });
})();
