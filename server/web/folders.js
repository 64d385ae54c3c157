// Files that were dropped, also in folders.

// dropped returns what was dropped as groups: the files of each folder under its name, and
// files outside of folders under "".
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const groups = new Map([["", []]]);
  if (!entries.length) groups.set("", [...transfer.files]);
  for (const entry of entries) {
    if (entry.isFile) groups.get("").push(await file(entry));
    else await walk(entry, groups);
  }
  return groups;
}

const maxFiles = 2000; // of all folders; a checkpoint has a handful

// walk adds the files of a folder to the groups, then those of the folders in it.
async function walk(folder, groups) {
  const found = [];
  const reader = folder.createReader();
  for (let some; (some = await new Promise((yes, no) => reader.readEntries(yes, no))).length; ) found.push(...some);
  const files = await Promise.all(found.filter((e) => e.isFile).slice(0, maxFiles).map(file));
  if (files.length) groups.set(folder.name, files);
  for (const inner of found.filter((e) => e.isDirectory)) if (groups.size < maxFiles) await walk(inner, groups);
}

const file = (entry) => new Promise((yes, no) => entry.file(yes, no));

// chosenFolder groups the files of a folder that was chosen in a dialog.
export function chosenFolder(files) {
  const groups = new Map([["", []]]);
  for (const f of files) {
    const folder = f.webkitRelativePath.split("/").at(-2) ?? "";
    if (!groups.has(folder)) groups.set(folder, []);
    groups.get(folder).push(f);
  }
  return groups;
}
