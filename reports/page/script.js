"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, given = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), given);
    element.append(...inside);
    return element;
  };
  const text = (cell) => cell.textContent.trim();
  // A cell is sorted and copied by its exact value where that has more digits than are shown.
  const exact = (cell) => cell.dataset.v ?? text(cell);
  const number = (value) => (/^[+\-\u2212~]?[\d.,]/.test(value) ? parseFloat(value.replace(/[~,]/g, "").replace("\u2212", "-")) : NaN);
  const headsOf = (table) => [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const labelOf = (head) => text(head.querySelector(".label"));
  const isShown = (cell) => getComputedStyle(cell).display !== "none";

  // Sorting: by a click on a head, rising, falling, as it was.
  function sortable(table) {
    const rows = [...table.tBodies[0].rows];
    headsOf(table).forEach((head, column) => {
      head.tabIndex = 0;
      head.classList.add("sorts");
      const sort = () => {
        const now = { ascending: "descending", descending: "" }[head.ariaSort] ?? "ascending";
        headsOf(table).forEach((other) => other.removeAttribute("aria-sort"));
        if (now) head.ariaSort = now;
        const key = (row) => exact(row.cells[column]);
        const compare = (a, b) => {
          const [one, other] = [key(a), key(b)];
          if (!one || !other) return !one - !other; // what is empty goes last, either way
          const [x, y] = [number(one), number(other)];
          const order = isNaN(x) || isNaN(y) ? one.localeCompare(other) : x - y;
          return now === "descending" ? -order : order;
        };
        table.tBodies[0].append(...(now ? [...rows].sort(compare) : rows));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") event.preventDefault(), sort();
      });
    });
  }

  // Filtering: every word must be in the row, and every comparison (ap>0.6, mask_ratio=0.4) hold.
  function filter(table, words) {
    const heads = headsOf(table).map((head) => labelOf(head).toLowerCase());
    const tests = words.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
      const [, name, sign, value] = /^([^<>=]+)(<=|>=|<|>|=)(.+)$/.exec(word) ?? [];
      let column = heads.indexOf(name);
      if (column < 0) column = name ? heads.findIndex((head) => head.replace(/\s+/g, "_").startsWith(name)) : -1;
      if (column < 0) return (row) => row.textContent.toLowerCase().includes(word);
      return (row) => {
        const there = exact(row.cells[column]).toLowerCase();
        const [x, y] = [number(there), number(value)];
        if (sign === "=") return isNaN(x) || isNaN(y) ? there === value : x === y;
        return { "<": x < y, ">": x > y, "<=": x <= y, ">=": x >= y }[sign];
      };
    });
    let left = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !tests.every((test) => test(row));
      left += !row.hidden;
    }
    return left;
  }

  // Copying: what is shown, as CSV with every digit, or as a LaTeX table for booktabs.
  function content(table, of) {
    const heads = headsOf(table);
    const columns = heads.map((_, column) => column).filter((column) => isShown(heads[column]) || innerWidth < 640);
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    return [columns, rows.map((row) => columns.map((column) => of(row.cells[column])))];
  }
  function csv(table) {
    const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const [columns, rows] = content(table, exact);
    const heads = columns.map((column) => labelOf(headsOf(table)[column]));
    return [heads, ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
  }
  function latex(table) {
    const signs = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$",
      "\u2212": "$-$", "\u00a0": "~", "²": "\\textsuperscript{2}", "³": "\\textsuperscript{3}" };
    const safe = (value) => value.replace(/[&%$#_{}]/g, "\\$&\u0000").replace(/\\(?![&%$#_{}]\u0000)|[~^±\u2212\u00a0²³]/g, (sign) => signs[sign])
      .replaceAll("\u0000", "").replace(/\s+/g, " ");
    const [columns, rows] = content(table, text);
    const heads = columns.map((column) => headsOf(table)[column]);
    const line = (cells) => `${cells.map(safe).join(" & ")} \\\\\n`;
    const sides = heads.map((head) => (head.classList.contains("n") ? "r" : "l")).join("");
    return `\\begin{tabular}{${sides}}\n\\toprule\n${line(heads.map(labelOf))}\\midrule\n${rows.map(line).join("")}\\bottomrule\n\\end{tabular}\n`;
  }
  async function copy(value, button) {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      const area = make("textarea", { value });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const name = button.textContent;
    button.textContent = "copied";
    setTimeout(() => (button.textContent = name), 1200);
  }

  for (const grid of all(".grid")) {
    const table = grid.querySelector("table");
    sortable(table);
    const tools = make("div", { className: "tools" });
    if (table.tBodies[0].rows.length > 5) {
      const count = make("span", { className: "quiet" });
      const field = make("input", { type: "search", placeholder: "filter: word, ap>0.6" });
      field.ariaLabel = "filter the rows: words, or comparisons such as ap>0.6";
      field.addEventListener("input", () => {
        const left = filter(table, field.value);
        count.textContent = field.value ? `${left} of ${table.tBodies[0].rows.length}` : "";
      });
      tools.append(field, count);
    }
    for (const [name, write] of [["copy CSV", csv], ["copy LaTeX", latex]]) {
      const button = make("button", { type: "button", textContent: name });
      button.addEventListener("click", () => copy(write(table), button));
      tools.append(button);
    }
    grid.querySelector(".scroll").before(tools);
  }

  // A mark of a plot and the lines of tables that tell of it share a name: "at<axes>-<name>" here, data-at there.
  const nameOf = (mark) => /at\d+-(\w+)$/.exec(mark.id)?.[1];
  const linesOf = (name) => all(`tr[data-at="${name}"]`);
  const tip = make("div", { id: "tip", hidden: true });
  tip.setAttribute("role", "status");
  document.body.append(tip);

  function show(mark) {
    const list = make("dl");
    const lines = linesOf(nameOf(mark));
    if (!lines.length) return hide();
    for (const line of lines)
      for (const cell of [...line.cells].slice(line === lines[0] ? 0 : 1))
        if (text(cell)) list.append(make("dt", { textContent: cell.dataset.l }), make("dd", { textContent: text(cell).replace(/\s+/g, " ") }));
    tip.replaceChildren(list);
    tip.hidden = false;
    const box = mark.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left + 14), innerWidth - tip.offsetWidth - 8);
    const above = box.top - tip.offsetHeight - 10;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : Math.min(box.bottom + 10, innerHeight - tip.offsetHeight - 8)}px`;
  }
  const hide = () => void (tip.hidden = true);
  function find(mark) {
    const line = linesOf(nameOf(mark))[0];
    if (!line) return;
    hide();
    line.hidden = false;
    for (let fold = line.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    all("tr.found").forEach((other) => other.classList.remove("found"));
    line.classList.add("found");
    line.scrollIntoView({ block: "center" });
  }
  for (const svg of all("figure svg")) {
    const marks = all('[id*="at"]', svg).filter(nameOf);
    const near = (event) => {
      let best = null, least = 14;
      for (const mark of marks) {
        const box = mark.getBoundingClientRect();
        const far = Math.hypot(event.clientX - (box.left + box.right) / 2, event.clientY - (box.top + box.bottom) / 2);
        if (far < least) [best, least] = [mark, far];
      }
      return best;
    };
    svg.addEventListener("mousemove", (event) => {
      const mark = near(event);
      svg.style.cursor = mark ? "pointer" : "";
      mark ? show(mark) : hide();
    });
    svg.addEventListener("mouseleave", hide);
    svg.addEventListener("click", (event) => {
      const mark = near(event);
      if (mark) find(mark);
    });
    for (const mark of marks) {
      mark.setAttribute("tabindex", "0");
      mark.addEventListener("focus", () => show(mark));
      mark.addEventListener("blur", hide);
      mark.addEventListener("keydown", (event) => event.key === "Enter" && find(mark));
    }
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
