"use strict";
// The headers of a table become buttons that sort it. Without this the table stands as the board ordered it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const order = [...body.rows];
  const headers = [...table.querySelectorAll("th[data-column]")];
  const status = document.getElementById(table.dataset.status);

  const key = (row, column) => row.cells[column].dataset.value ?? "";
  const compare = (a, b, number, sign) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value stands last, in any order
    return sign * (number ? a - b : a.localeCompare(b));
  };

  const sort = (header) => {
    const descending = header.hasAttribute("aria-sort")
      ? header.getAttribute("aria-sort") === "ascending"
      : header.dataset.first === "descending";
    const column = Number(header.dataset.column);
    const number = header.dataset.kind === "number";
    const sorted = [...order].sort((a, b) => compare(key(a, column), key(b, column), number, descending ? -1 : 1));
    body.append(...sorted);
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.classList.toggle("ranking", column === 0 && !descending); // groups are of neighbours in the ranking
    status.textContent = `Sorted by ${header.dataset.name}, ${descending ? "descending" : "ascending"}.`;
  };

  for (const header of headers) {
    const name = header.querySelector(".name");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...name.childNodes);
    name.append(button);
    button.addEventListener("click", () => sort(header));
  }
}

// The slider shows one case at a time; without this it is the one in the middle.
for (const slider of document.querySelectorAll(".gallery input[type=range]")) {
  const cases = [...slider.closest(".gallery").querySelectorAll(".case")];
  const show = () => {
    for (const one of cases) one.hidden = one.dataset.case !== slider.value;
    slider.setAttribute("aria-valuetext", cases[slider.value].querySelector(".called").textContent);
  };
  slider.closest(".choose").hidden = cases.length < 2;
  slider.addEventListener("input", show);
  show();
}
