// Everything is defined by now: start.

startFirst();
startRows();
startRuler();
startFrontier();
startSeesaw();
startBeside();
startPictures();
setMask(0);

// On a narrow screen, what is secondary would push the charts far down.
const secondary = document.getElementById("secondary");
if (secondary && innerWidth < 700) secondary.open = false;

// A table that is wider than the page says so, and fades at its hidden side.
for (const box of document.querySelectorAll(".wide")) {
  const look = () => {
    box.classList.toggle("scrolls", box.scrollWidth > box.clientWidth + 1);
    box.classList.toggle("goes-on", box.scrollWidth - box.clientWidth - box.scrollLeft > 4);
  };
  new ResizeObserver(look).observe(box);
  box.addEventListener("scroll", look, { passive: true });
}

// Details that are collapsed on the screen are printed too, unless paper has their numbers already; so are all masks.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open]):not([data-screen-only])")) {
    part.open = true;
    part.dataset.printed = "";
  }
  for (const part of document.querySelectorAll("[data-mask]")) part.hidden = false;
});
addEventListener("afterprint", () => {
  for (const part of document.querySelectorAll("details[data-printed]")) {
    part.open = false;
    delete part.dataset.printed;
  }
  showMaskParts();
});
document.documentElement.classList.add("ready");
