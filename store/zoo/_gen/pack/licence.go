package main

// licence is the notice in the archive for the images.
const licence = `The images below samples/ are pictures of glyphs, rendered from the Noto fonts
with random turns, shifts, contrast, tint and noise, 32 by 32 pixels each. The
models below models/ and the basis were trained on such pictures.

Noto fonts: Copyright The Noto Project Authors (https://github.com/notofonts)
Licence:    SIL Open Font License, Version 1.1 (https://openfontlicense.org)

What that means:
- No font and no part of a font's outlines is in this archive.
- The licence asks that the fonts, and fonts made from them, stay under it; it
  says that this "does not apply to any document created using the fonts or
  their derivatives". Pictures of glyphs are such documents: they may be used,
  copied, changed and sold with this program, under this program's terms.
- The names of the fonts and of their authors may not be used to promote what
  is made with them, except to acknowledge their work, as is done here.
- The fonts come without warranty of any kind, and so do the pictures.
`
