"use strict";
// What a board does beyond its table, which can be read without this: it sorts, searches, hides columns, colours scores
// against those of one row, and writes CSV. The fragment of the address keeps all of this: #BOARD?sort=…&q=….
const [id, query = ""] = location.hash.slice(1).split("?"); // URLSearchParams decodes the rest

for (const section of document.querySelectorAll("main > section")) {
  const table = section.querySelector("table.sortable");
  const slider = section.querySelector(".gallery input[type=range]");
  const given = new URLSearchParams(section.id === id ? query : "");
  const chosen = new URLSearchParams();
  // Remember a choice, or forget it where it is what the page begins with.
  const remember = (name, value, usual) => {
    if (value === usual) chosen.delete(name);
    else chosen.set(name, value);
    const kept = chosen.toString();
    if (ready) history.replaceState(null, "", `#${section.id}${kept && "?" + kept}`);
  };
  let ready = false;
  if (slider) showCases(section, slider, given, remember);
  if (table) useTable(section, table, given, remember);
  ready = true;
  if (section.id === id && query) section.scrollIntoView();
}

// One case at a time; without this it is the one in the middle.
function showCases(section, slider, given, remember) {
  const cases = [...section.querySelectorAll(".case")];
  const usual = slider.value;
  const show = () => {
    for (const one of cases) one.hidden = one.dataset.case !== slider.value;
    slider.setAttribute("aria-valuetext", cases[slider.value].querySelector(".called").textContent);
    remember("case", slider.value, usual);
  };
  slider.closest(".choose").hidden = cases.length < 2;
  slider.value = given.get("case") ?? usual;
  slider.addEventListener("input", show);
  show();
}

function useTable(section, table, given, remember) {
  const body = table.tBodies[0];
  const order = [...body.rows];
  const rows = [...table.tBodies].flatMap((one) => [...one.rows]);
  const headers = [...table.querySelectorAll("th[data-column]")];
  const status = document.getElementById(table.dataset.status);
  const tools = section.querySelector(".tools");
  const { q, ref, csv } = tools.elements;
  const value = (row, column) => row.cells[column].dataset.value ?? "";

  const compare = (a, b, number, sign) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value stands last, in any order
    return sign * (number ? a - b : a.localeCompare(b));
  };
  const sort = (header, descending) => {
    const column = Number(header.dataset.column);
    const number = header.dataset.kind === "number";
    body.append(...[...order].sort((a, b) => compare(value(a, column), value(b, column), number, descending ? -1 : 1)));
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.classList.toggle("ranking", column === 0 && !descending); // groups are of neighbours in the ranking
    status.textContent = `Sorted by ${header.dataset.name}, ${descending ? "descending" : "ascending"}.`;
    remember("sort", `${column}${descending ? "-" : ""}`, "0");
  };
  for (const header of headers) {
    const name = header.querySelector(".name");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...name.childNodes);
    name.append(button);
    button.addEventListener("click", () => {
      const sorted = header.getAttribute("aria-sort");
      sort(header, sorted ? sorted === "ascending" : header.dataset.first === "descending");
    });
  }

  const search = () => {
    const words = q.value.toLowerCase().split(/\s+/);
    const found = order.filter((row) => {
      const text = row.cells[1].textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      return !row.hidden;
    });
    status.textContent = `${found.length} of ${order.length} entries.`;
    remember("q", q.value, "");
  };

  // Colour each score by how much better it is than that of the row compared with: by 50 % or more in full.
  const usualRef = ref.value;
  const colour = () => {
    const base = ref.value === "" ? null : order[ref.value];
    for (const { dataset } of headers.filter((header) => header.matches(".score, .extra:not([data-optional])"))) {
      const zero = base && Number(value(base, dataset.column));
      for (const row of rows) {
        const cell = row.cells[dataset.column];
        cell.querySelector(".change")?.remove();
        delete cell.dataset.d;
        if (!base || row === base || !zero || value(row, dataset.column) === "") continue;
        const change = (100 * (value(row, dataset.column) - zero)) / Math.abs(zero);
        const better = dataset.first === "ascending" ? -change : change;
        if (Math.abs(better) >= 1) cell.dataset.d = Math.sign(better) * Math.min(5, Math.ceil(Math.abs(better) / 10));
        const text = document.createElement("span");
        text.className = "change";
        text.textContent = `${change > 0 ? "+" : change < 0 ? "−" : ""}${Math.abs(change).toFixed(Math.abs(change) < 10 ? 1 : 0)} %`;
        cell.querySelector(".value").after(text);
      }
    }
    tools.querySelector(".key").hidden = !base;
    remember("ref", ref.value, usualRef);
  };

  const usualHide = headers.filter((header) => "optional" in header.dataset).map((header) => header.dataset.column).join(" ");
  const hide = (given.get("hide") ?? usualHide).split(" ");
  const boxes = headers.slice(2).map((header) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !hide.includes(header.dataset.column);
    box.value = header.dataset.column;
    label.append(box, ` ${header.dataset.name}`);
    tools.querySelector(".columns div").append(label);
    return box;
  });
  const showColumns = () => {
    for (const box of boxes) for (const row of [table.tHead.rows[0], ...rows]) row.cells[box.value].hidden = !box.checked;
    remember("hide", boxes.filter((box) => !box.checked).map((box) => box.value).join(" "), usualHide);
  };

  // A text that a spreadsheet would take for a formula begins with a quote.
  const quoted = (text) => `"${text.replace(/^(?=[=+@-])/, "'").replaceAll('"', '""')}"`;
  const download = () => {
    const shown = headers.filter((header) => !header.hidden);
    const line = (row) => shown.map((header) => {
      const text = value(row, header.dataset.column);
      return header.dataset.kind === "number" ? text : quoted(text);
    });
    const lines = [shown.map((header) => quoted(header.dataset.name)), ...[...body.rows].filter((row) => !row.hidden).map(line)];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.map((cells) => cells.join(",") + "\n").join("")], { type: "text/csv" }));
    link.download = `${section.id}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  q.value = given.get("q") ?? "";
  ref.value = given.get("ref") ?? usualRef;
  tools.hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  q.addEventListener("input", search);
  ref.addEventListener("change", colour);
  csv.addEventListener("click", download);
  tools.querySelector(".columns").addEventListener("change", showColumns);
  if (q.value) search();
  colour();
  showColumns();
  const [, column, descending] = /^(\d+)(-?)$/.exec(given.get("sort") ?? "") ?? [];
  if (headers[column]) sort(headers[column], descending === "-");
}
