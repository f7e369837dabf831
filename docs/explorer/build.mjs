// Builds the page into build/explorer, and the widget's one file into the package.
import {cp, mkdir, readFile, writeFile} from "node:fs/promises";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";

const here = dirname(fileURLToPath(import.meta.url)), root = join(here, "..", "..");
const page = join(root, "build", "explorer"), shipped = join(root, "grok_synergy", "static");

// The licences of the packages that a bundle holds, as their own files give them.
async function licences(metafile) {
  const inputs = Object.values(metafile.outputs).flatMap(one => Object.keys(one.inputs));
  const names = new Set(inputs.map(one => one.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean));
  const texts = [...names].sort().map(async name => {
    const folder = join(here, "..", "node_modules", name), {version, license} = JSON.parse(await readFile(join(folder, "package.json")));
    return `${name} ${version} (${license})\n\n${await readFile(join(folder, "LICENSE"), "utf8")}`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(70)}\n\n`);
}

for (const [entry, folder] of [["page.js", page], ["widget.js", shipped]]) {
  await mkdir(folder, {recursive: true});
  const {metafile} = await build({entryPoints: [join(here, entry)], outfile: join(folder, "explorer.js"), bundle: true,
    minify: true, format: "esm", target: "es2022", metafile: true, absWorkingDir: join(here, ".."), legalComments: "none"});
  await writeFile(join(folder, "licences.txt"), await licences(metafile));
  await cp(join(here, "explorer.css"), join(folder, "explorer.css"));
}
for (const name of ["index.html", "page.css"]) await cp(join(here, name), join(page, name));
