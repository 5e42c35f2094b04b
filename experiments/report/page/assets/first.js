// The first screen: an arm that is pointed at, or has the focus, stands out in both drawings; commands can be copied.

function startFirst() {
  const pair = document.getElementById("pair");
  if (pair) linkArms(pair);
  for (const holder of document.querySelectorAll(".command")) addCopy(holder);
}

function linkArms(pair) {
  const pointed = document.getElementById("pointed");
  const hint = pointed ? pointed.textContent : "";
  const parts = [...pair.querySelectorAll(".of-arm")];
  const points = [...pair.querySelectorAll(".point")];

  function point(part) {
    const arm = part ? part.dataset.arm : null;
    pair.classList.toggle("pointing", arm !== null);
    for (const each of parts) each.classList.toggle("pointed", each.dataset.arm === arm);
    if (arm !== null) focusArm(Number(arm));
    if (!pointed) return;
    const told = part && part.dataset.told ? [part.dataset.told] : pointsOf(arm);
    say(pointed, told.length ? told.join("; ") + "." : hint);
  }
  // Both sizes of the drawing have the same points: each is told once.
  const pointsOf = (arm) => [...new Set(points.filter((each) => each.dataset.arm === arm).map((each) => each.dataset.told))];

  pair.addEventListener("pointerover", (event) => point(event.target.closest(".of-arm")));
  pair.addEventListener("click", (event) => point(event.target.closest(".of-arm")));
  pair.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") point(document.activeElement.closest("#pair .of-arm"));
  });
  pair.addEventListener("focusin", (event) => point(event.target.closest(".of-arm")));
  pair.addEventListener("focusout", () => point(null));
  pair.addEventListener("keydown", (event) => {
    if (event.key === "Escape") point(null);
  });
}

function addCopy(holder) {
  const code = holder.querySelector("code");
  const button = element("button", { type: "button" }, "Copy");
  const done = (text) => {
    button.textContent = text;
    setTimeout(() => (button.textContent = "Copy"), 1600);
  };
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      done("Copied");
    } catch {
      // Without permission the command is selected, for the keyboard to copy.
      getSelection().selectAllChildren(code);
      done("Selected");
    }
  });
  holder.append(button);
}
