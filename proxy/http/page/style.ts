/** The style sheet of the page, inline: one request, no outside resource. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1b2a31;--soft:#52646d;--paper:#fafaf7;--card:#fff;--rule:#dde3e3;
--water:#0a6b73;--wash:#e6f2f1;--warm:#8a4b08;--warmwash:#fbf0e0;--code:#f1f4f3}
@media (prefers-color-scheme:dark){:root{--ink:#dde7e9;--soft:#9db0b7;--paper:#10181c;--card:#172126;--rule:#2a383e;
--water:#67c7c6;--wash:#14302f;--warm:#f0b878;--warmwash:#33261a;--code:#0f171a}}
*,::before,::after{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:1.0625rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
header,main,footer{max-width:46rem;margin:0 auto;padding:0 1.25rem}
header{display:flex;align-items:center;gap:.75rem;padding-top:2rem;padding-bottom:1rem;color:var(--soft)}
header svg{width:2.25rem;height:2.25rem;flex:none}
header b{color:var(--ink);font-size:1.25rem;letter-spacing:.01em}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 .5rem;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1.25rem;line-height:1.3;margin:3rem 0 .5rem}
h3{font-size:1rem;margin:0;display:inline;font-weight:600}
p{margin:.6rem 0}
a{color:var(--water);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--water);outline-offset:2px;border-radius:4px}
.status{background:var(--card);border:1px solid var(--rule);border-radius:.75rem;padding:1.5rem 1.5rem 1.25rem}
.status h1{position:relative;padding-left:2.5rem}
.status h1::before{content:"";position:absolute;left:0;top:.22rem;width:1.75rem;height:1.75rem;border-radius:50%;
border:.1875rem solid var(--warm)}
.status h1::after{content:"";position:absolute;left:.55rem;top:1rem;width:.65rem;border-top:.1875rem solid var(--warm)}
.status.yes h1::before{background:var(--water);border-color:var(--water)}
.status.yes h1::after{left:.62rem;top:.57rem;width:.5rem;height:.9rem;border:solid var(--card);
border-width:0 .1875rem .1875rem 0;transform:rotate(45deg)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.25rem;margin:1.25rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.test{border-top:1px solid var(--rule);margin:1.25rem 0 0;padding-top:1rem;display:flex;flex-wrap:wrap;
gap:.5rem 1rem;align-items:center}
.test p{margin:0;flex:1 1 16rem}
.tag{display:inline-block;border-radius:.3rem;padding:.05rem .5rem;font-size:.8125rem;font-weight:600;
background:var(--warmwash);color:var(--warm)}
.tag.kept,.tag.hit{background:var(--wash);color:var(--water)}
details{border-bottom:1px solid var(--rule)}
.systems{margin:1.25rem 0;border-top:1px solid var(--rule)}
summary{padding:.7rem .25rem;cursor:pointer}
summary .tag,summary .own{float:right;margin-top:.15rem}
summary:hover h3{color:var(--water)}
details>div{padding:0 .25rem 1.25rem 1.35rem}
details>div>p:first-child{margin-top:0}
.own{color:var(--soft);font-size:.875rem}
code,pre{font:.875rem/1.55 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
p code,dd code{background:var(--code);border-radius:.25rem;padding:.1rem .3rem;overflow-wrap:anywhere}
.line{display:flex;align-items:flex-start;gap:.5rem;margin:.6rem 0;background:var(--code);
border:1px solid var(--rule);border-radius:.5rem;padding:.4rem .4rem .4rem .8rem}
.line pre{margin:0;flex:1;min-width:0;padding:.35rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
.line code{display:block;padding-left:1.5rem;text-indent:-1.5rem}
button{font:600 .8125rem/1 inherit;font-family:inherit;color:var(--water);background:var(--card);
border:1px solid var(--rule);border-radius:.35rem;padding:.5rem .7rem;cursor:pointer;min-width:4.75rem}
button:hover{border-color:var(--water)}
.undo{color:var(--soft);font-size:.9375rem}
.said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
footer{color:var(--soft);font-size:.875rem;margin-top:3rem;padding-top:1rem;padding-bottom:3rem}
@media (max-width:32rem){header{padding-top:1.25rem}.status{padding:1.1rem}
section:not(.status) dl{grid-template-columns:1fr;gap:0}section:not(.status) dd{margin-bottom:.6rem}
details>div{padding-left:.25rem}.line{flex-wrap:wrap;justify-content:flex-end}.line pre{flex-basis:100%}}
@media print{button,.test{display:none}}
`;
