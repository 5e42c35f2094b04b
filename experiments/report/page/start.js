// Everything is there: begin.

startSliders();
startFrontier();
startSeesaw();
startPictures();
setMask(0);

// What is folded away on a screen is printed too.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) {
    part.open = true;
    part.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const part of document.querySelectorAll("details[data-printed]")) {
    part.open = false;
    delete part.dataset.printed;
  }
});
document.documentElement.classList.add("ready");
