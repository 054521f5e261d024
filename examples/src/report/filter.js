(() => {
  const form = document.querySelector("form.filter");
  const rows = [...document.querySelectorAll("table.overview tbody tr")];
  const show = () => {
    const crate = form.elements.crate.value;
    const outcomes = [...form.querySelectorAll("input:checked")].map((box) => box.value);
    for (const row of rows) {
      const isOfCrate = crate === "" || row.dataset.crate === crate;
      row.hidden = !isOfCrate || !outcomes.includes(row.dataset.outcome);
    }
    const shown = rows.filter((row) => !row.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${rows.length} systems`;
  };
  form.hidden = false;
  form.addEventListener("change", show);
  show();
})();
