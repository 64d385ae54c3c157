package checkpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eigenserve/store/tensorfile"
)

// The canonical names, those of transformers 4, that others are brought to.
const canonicalBlock = "vit.encoder.layer."

// naming is how one library calls the tensors of a vision transformer. The
// tables map a module, whose tensors are its .weight and .bias, or a tensor by
// its whole name. Names that no table knows stay as they are, for Check to
// report.
type naming struct {
	library string
	marks   []string          // prefixes that give the library away
	bare    []string          // first parts of names that lack the leading "vit."
	outside map[string]string // outside the blocks
	block   string            // what stands before a block's number
	inside  map[string]string // inside a block; a * in the target stands for query, key and value, stacked by rows
	// foreign are modules, inside or outside a block, of variations that the
	// plain architecture does not have, each with what it is.
	foreign map[string]string
}

// namings in the order in which their marks are looked for. The last one is
// taken where no other is.
var namings = []*naming{&timm, &torchvision, &huggingFace}

// unused are tensors that classification has no use for, by canonical name.
var unused = map[string]bool{
	"vit.pooler.dense.weight":   true, // ViTModel's pooler; the classifier reads the class token itself
	"vit.pooler.dense.bias":     true,
	"vit.embeddings.mask_token": true, // of masked-image pretraining
}

// libraryOf tells from the tensors' names which library wrote them.
func libraryOf(files []*tensorfile.File) *naming {
	for _, n := range namings {
		for _, f := range files {
			if slices.ContainsFunc(f.Names(), n.marked) {
				return n
			}
		}
	}
	return namings[len(namings)-1]
}

func (n *naming) marked(name string) bool {
	name = withoutWrapper(name)
	return slices.ContainsFunc(n.marks, func(mark string) bool { return strings.HasPrefix(name, mark) })
}

// withoutWrapper drops what torch's DataParallel puts before every name.
func withoutWrapper(name string) string { return strings.TrimPrefix(name, "module.") }

// canonical gives a tensor's canonical name. A * in it stands for query, key and
// value, of which the tensor is the stack. A tensor that is foreign to the plain
// architecture gives what it belongs to instead.
func (n *naming) canonical(name string) (canonical string, stacked bool, foreign string) {
	name = withoutWrapper(name)
	if first, _, _ := strings.Cut(name, "."); slices.Contains(n.bare, first) {
		name = "vit." + name
	}
	prefix, rest, table := "", name, n.outside
	if number, inner, ok := n.cutBlock(name); ok {
		prefix, rest, table = canonicalBlock+number+".", inner, n.inside
	}
	for module, what := range n.foreign {
		if rest == module || strings.HasPrefix(rest, module+".") {
			return "", false, what
		}
	}
	target, ok := lookUp(table, rest)
	if !ok {
		return name, false, ""
	}
	return prefix + target, strings.Contains(target, "*"), ""
}

// cutBlock cuts "blocks.7.norm1.weight" into "7" and "norm1.weight".
func (n *naming) cutBlock(name string) (number, inner string, ok bool) {
	rest, ok := strings.CutPrefix(name, n.block)
	if !ok {
		return "", "", false
	}
	number, inner, ok = strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	return number, inner, ok && err == nil && i >= 0 && strconv.Itoa(i) == number
}

// lookUp finds a tensor by its whole name or by its module's.
func lookUp(table map[string]string, name string) (string, bool) {
	if target, ok := table[name]; ok {
		return target, true
	}
	for _, leaf := range []string{".weight", ".bias"} {
		if module, ok := strings.CutSuffix(name, leaf); ok {
			target, ok := table[module]
			return target + leaf, ok
		}
	}
	return "", false
}

// bind brings every tensor of the files under its canonical name. All that
// cannot be comes as one error.
func (n *naming) bind(files []*tensorfile.File) (map[string]tensorfile.Tensor, error) {
	b := binding{tensors: map[string]tensorfile.Tensor{}, origins: map[string]string{}}
	for _, f := range files {
		for _, name := range f.Names() {
			t, _ := f.Tensor(name)
			canonical, stacked, foreign := n.canonical(name)
			switch {
			case foreign != "":
				b.complain("%q is %s, which is not supported", name, foreign)
			case unused[canonical]:
			case !slices.Contains([]string{"F16", "BF16", "F32", "F64"}, t.DType):
				b.complain("%q is %s, only F16, BF16, F32 and F64 are read", name, t.DType)
			case stacked:
				b.unstack(canonical, name, t)
			default:
				b.put(canonical, name, t)
			}
		}
	}
	if len(b.complaints) > 0 {
		return nil, fmt.Errorf("%w (named as in %s): %s", ErrTensors, n.library, shorten(b.complaints))
	}
	return b.tensors, nil
}

// binding collects tensors by canonical name.
type binding struct {
	tensors    map[string]tensorfile.Tensor
	origins    map[string]string // canonical name to the file's own
	complaints []string
}

func (b *binding) put(canonical, name string, t tensorfile.Tensor) {
	if first, ok := b.origins[canonical]; ok {
		b.complain("%q and %q are one and the same tensor", first, name)
		return
	}
	b.tensors[canonical], b.origins[canonical] = t, name
}

// unstack puts the three thirds of a tensor's rows, which lie one after the
// other, so that nothing is copied.
func (b *binding) unstack(canonical, name string, t tensorfile.Tensor) {
	if len(t.Shape) == 0 || t.Shape[0]%3 != 0 {
		b.complain("%q has shape %v, whose rows are not query, key and value", name, t.Shape)
		return
	}
	third := len(t.Data) / 3
	for i, part := range []string{"query", "key", "value"} {
		shape := slices.Clone(t.Shape)
		shape[0] /= 3
		data := t.Data[i*third : (i+1)*third : (i+1)*third]
		b.put(strings.Replace(canonical, "*", part, 1), name, tensorfile.Tensor{DType: t.DType, Shape: shape, Data: data})
	}
}

func (b *binding) complain(format string, args ...any) {
	b.complaints = append(b.complaints, fmt.Sprintf(format, args...))
}

// shorten joins a list for a message. A broken checkpoint has hundreds of
// tensors; the first ones say what is wrong.
func shorten(list []string) string {
	const most = 6
	if len(list) <= most+1 { // "and 1 more" would be no shorter
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s … and %d more", strings.Join(list[:most], ", "), len(list)-most)
}
