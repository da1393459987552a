"use strict";
// Filters, sorts and pages the table of cells. Everything is in this file; nothing is fetched or stored.
(() => {
  const tables = JSON.parse(document.getElementById("cells").textContent);
  const at = (id) => document.getElementById(id);
  const PAGE = 100;
  let page = 0, column = -1, up = true;

  const amount = (text) => {
    const found = text.replace(/,/g, "").replace("−", "-").match(/^-?[\d.]+$/);
    return found ? Number(found[0]) : -Infinity;
  };
  const kept = (table) => {
    const words = at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const only = at("only").value, change = table.headers.indexOf("Since last release");
    const rows = table.rows.filter((row) => {
      const text = row.join(" ").toLowerCase();
      const held = row.some((cell) => cell.startsWith("withheld"));
      return words.every((word) => text.includes(word)) &&
        (only === "all" || (only === "withheld" && held) || (only === "shown" && !held) || (only === "changed" && change >= 0 && row[change]));
    });
    if (column >= 0 && column < table.headers.length) {
      rows.sort((a, b) => (table.numeric[column] ? amount(a[column]) - amount(b[column])
        : a[column].localeCompare(b[column], "en", {numeric: true})) * (up ? 1 : -1));
    }
    return rows;
  };
  const draw = () => {
    const table = tables[at("which").value], rows = kept(table);
    page = Math.max(0, Math.min(page, Math.ceil(rows.length / PAGE) - 1));
    const head = document.createElement("tr"), body = document.createDocumentFragment();
    table.headers.forEach((name, i) => {
      const th = document.createElement("th"), button = document.createElement("button");
      th.scope = "col";
      if (table.numeric[i]) th.className = "n";
      th.setAttribute("aria-sort", i === column ? (up ? "ascending" : "descending") : "none");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => {
        up = column === i ? !up : true;
        column = i;
        draw();
        at("head").querySelectorAll("button")[i].focus();
      });
      th.append(button);
      head.append(th);
    });
    const first = table.numeric.indexOf(true);
    for (const row of rows.slice(page * PAGE, (page + 1) * PAGE)) {
      const tr = document.createElement("tr");
      row.forEach((text, i) => {
        const cell = document.createElement(i < first ? "th" : "td");
        if (i < first) { cell.scope = "row"; cell.style.fontWeight = "400"; }
        cell.textContent = text;
        cell.className = (table.numeric[i] ? "n " : "") + (text.startsWith("withheld") ? "held" : "");
        tr.append(cell);
      });
      body.append(tr);
    }
    at("head").replaceChildren(head);
    at("body").replaceChildren(body);
    const from = rows.length ? page * PAGE + 1 : 0, to = Math.min(rows.length, (page + 1) * PAGE);
    at("count").textContent = `Rows ${from.toLocaleString("en-GB")} to ${to.toLocaleString("en-GB")} of ` +
      `${rows.length.toLocaleString("en-GB")} (the whole table has ${table.rows.length.toLocaleString("en-GB")})`;
    at("back").disabled = page === 0;
    at("next").disabled = to >= rows.length;
  };
  at("which").addEventListener("change", () => { page = 0; column = -1; draw(); });
  at("find").addEventListener("input", () => { page = 0; draw(); });
  at("only").addEventListener("change", () => { page = 0; draw(); });
  at("back").addEventListener("click", () => { page -= 1; draw(); });
  at("next").addEventListener("click", () => { page += 1; draw(); });
  draw();
})();
