// The table is complete without this script; here it learns to sort, to search and to filter.
const bytes = Uint8Array.from(atob(document.getElementById("library").textContent), c => c.charCodeAt(0));
const url = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
const { default: DataTable } = await import(url);
URL.revokeObjectURL(url);
const words = JSON.parse(document.getElementById("words").textContent);
const table = new DataTable("#branches", {
  paging: false, autoWidth: false, order: [], language: words,
  layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: null },
});
const filters = document.getElementById("filters");
filters.hidden = false;
filters.addEventListener("submit", event => event.preventDefault());
for (const choice of filters.querySelectorAll("select")) {
  choice.addEventListener("change", () => {
    const wanted = choice.value;
    const exact = wanted ? cell => cell.trim() === wanted : "";
    table.column(Number(choice.dataset.column)).search(exact).draw();
  });
}
document.documentElement.dataset.ready = "yes";
