// Plays the scenes in their own time with their captions; Escape or a click ends it. Without scripts the page is whole.
(() => {
  const [stage, screen, line, play] = ["stage", "screen", "line", "play"].map((id) => document.getElementById(id));
  const bar = document.querySelector("#bar i");
  const scenes = [...document.querySelectorAll("article")].map((card) => ({
    card,
    picture: card.querySelector(".picture"),
    ms: Number(card.dataset.ms),
    captions: [...card.querySelectorAll("li")].map((li) => ({ to: Number(li.dataset.to), text: li.lastChild.textContent })),
  }));
  const whole = scenes.reduce((sum, scene) => sum + scene.ms, 0);
  let began = 0, shown = null;
  const home = () => { if (shown) shown.picture.append(screen.firstChild); shown = null; };
  const show = (scene) => { home(); screen.append(scene.picture.firstChild); shown = scene; };
  const tick = () => {
    if (!stage.open) return;
    const now = performance.now() - began;
    let rest = now;
    const scene = scenes.find((scene) => rest < scene.ms || (rest -= scene.ms, false));
    if (!scene) return stage.close();
    if (scene !== shown) show(scene);
    line.textContent = scene.captions.find((caption) => rest < caption.to)?.text ?? "";
    bar.style.width = (100 * now) / whole + "%";
    requestAnimationFrame(tick);
  };
  play.hidden = false;
  play.onclick = () => { stage.showModal(); began = performance.now(); tick(); };
  stage.onclick = () => stage.close();
  stage.onclose = home;
})();
