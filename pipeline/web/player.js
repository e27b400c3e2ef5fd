// a bar leads to its second of the player beside it
document.addEventListener("click", (event) => {
  const bar = event.target.closest("[data-at]");
  if (!bar) return;
  const player = bar.closest(".clip").querySelector("video");
  player.pause();
  player.currentTime = Number(bar.dataset.at);
});
// the bar of the second that is shown is marked; media events do not bubble, so they are caught
for (const name of ["timeupdate", "seeked"])
  document.addEventListener(name, (event) => {
    const bars = [...event.target.closest(".clip")?.querySelectorAll(".timeline [data-at]") ?? []];
    const now = bars.findLast((bar) => Number(bar.dataset.at) <= event.target.currentTime + 0.01);
    for (const bar of bars) bar.classList.toggle("now", bar === now);
  }, true);
