package checkpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"eigenserve/store/tensorfile"
)

// canonicalBlock precedes the number of a block in canonical names.
const canonicalBlock = "vit.encoder.layer."

// naming translates the names that one library gives the tensors of a vision transformer.
// Its tables map the name of a module, for its .weight and .bias, or the full name of a
// tensor. A name that is in no table stays as it is, for Check to report.
type naming struct {
	library string
	markers []string          // prefixes by which the library is recognized
	bare    []string          // first parts of names that lack the leading "vit."
	outside map[string]string // outside the blocks
	block   string            // precedes the number of a block
	inside  map[string]string // inside a block; a * in the target stands for query, key and value, stacked by rows
	// unsupported describes modules, inside or outside a block, that the plain
	// architecture does not have.
	unsupported map[string]string
}

// namings are tried in this order. The last is used if none is recognized.
var namings = []*naming{&timm, &torchvision, &huggingFace}

// unused holds the canonical names of tensors that classification does not need.
var unused = map[string]bool{
	"vit.pooler.dense.weight":   true, // of ViTModel; the classifier reads the class token
	"vit.pooler.dense.bias":     true,
	"vit.embeddings.mask_token": true, // of masked-image pretraining
}

// libraryOf returns the naming of the library that wrote the tensors.
func libraryOf(files []*tensorfile.File) *naming {
	for _, n := range namings {
		for _, f := range files {
			if slices.ContainsFunc(f.Names(), n.recognizes) {
				return n
			}
		}
	}
	return namings[len(namings)-1]
}

func (n *naming) recognizes(name string) bool {
	name = withoutWrapper(name)
	return slices.ContainsFunc(n.markers, func(mark string) bool { return strings.HasPrefix(name, mark) })
}

// wrappers are the names that wrappers of a model add to those of its tensors, in front.
// No tensor of a vision transformer has a name that begins so.
var wrappers = []string{
	"module.",     // torch's DataParallel
	"model.",      // Lightning, and other training loops that hold the model in a field
	"timm_model.", // transformers' wrapper of timm
}

// innerWrappers are parts of names that wrappers of single modules add, wherever these are.
var innerWrappers = []string{
	"_orig_mod",                  // torch.compile
	"_fsdp_wrapped_module",       // FullyShardedDataParallel
	"_checkpoint_wrapped_module", // activation checkpointing
}

// withoutWrapper removes what wrappers have added to a name, in any order.
func withoutWrapper(name string) string {
	if strings.Contains(name, "_mod") {
		parts := strings.Split(name, ".")
		parts = slices.DeleteFunc(parts, func(part string) bool { return slices.Contains(innerWrappers, part) })
		name = strings.Join(parts, ".")
	}
	for again := true; again; {
		again = false
		for _, w := range wrappers {
			rest, ok := strings.CutPrefix(name, w)
			name, again = rest, again || ok
		}
	}
	return name
}

// canonical returns the canonical name of a tensor. A * in it stands for query, key and
// value: the tensor is a stack of the three. For a tensor that the plain architecture does
// not have, canonical returns a description instead.
func (n *naming) canonical(name string) (canonical string, stacked bool, unsupported string) {
	name = withoutWrapper(name)
	if first, _, _ := strings.Cut(name, "."); slices.Contains(n.bare, first) {
		name = "vit." + name
	}
	prefix, rest, table := "", name, n.outside
	if number, inner, ok := n.cutBlock(name); ok {
		prefix, rest, table = canonicalBlock+number+".", inner, n.inside
	}
	for module, what := range n.unsupported {
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

// cutBlock cuts a name such as "blocks.7.norm1.weight" into "7" and "norm1.weight".
func (n *naming) cutBlock(name string) (number, inner string, ok bool) {
	rest, ok := strings.CutPrefix(name, n.block)
	if !ok {
		return "", "", false
	}
	number, inner, ok = strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	return number, inner, ok && err == nil && i >= 0 && strconv.Itoa(i) == number
}

// lookUp looks up a tensor by its full name or by that of its module.
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

// adapterTensor matches the names of tensors of LoRA.
var adapterTensor = regexp.MustCompile(`\.lora_(A|B|embedding_A|embedding_B|magnitude_vector)\b`)

// bind returns the tensors of the files by canonical name. One error lists all tensors that
// have none.
func (n *naming) bind(files []*tensorfile.File) (map[string]tensorfile.Tensor, error) {
	b := binding{tensors: map[string]tensorfile.Tensor{}, origins: map[string]string{}}
	for _, f := range files {
		for _, name := range f.Names() {
			if adapterTensor.MatchString(name) {
				return nil, fmt.Errorf("%w: %q is a tensor of a PEFT adapter: %s", ErrTensors, name, mergeAdapter)
			}
			t, _ := f.Tensor(name)
			canonical, stacked, unsupported := n.canonical(name)
			switch {
			case unsupported != "":
				b.complain("%q is %s, which is not supported", name, unsupported)
			case unused[canonical]:
			case !slices.Contains([]string{"F16", "BF16", "F32", "F64"}, t.DType):
				b.complain("%q is %s; only F16, BF16, F32 and F64 are supported", name, t.DType)
			case stacked:
				b.unstack(canonical, name, t)
			default:
				b.put(canonical, name, t)
			}
		}
	}
	if len(b.complaints) > 0 {
		return nil, fmt.Errorf("%w (with the names of %s): %s", ErrTensors, n.library, shorten(b.complaints))
	}
	return b.tensors, nil
}

// binding collects tensors by canonical name.
type binding struct {
	tensors    map[string]tensorfile.Tensor
	origins    map[string]string // canonical name to the name in the file
	complaints []string
}

func (b *binding) put(canonical, name string, t tensorfile.Tensor) {
	if first, ok := b.origins[canonical]; ok {
		b.complain("%q and %q are the same tensor", first, name)
		return
	}
	b.tensors[canonical], b.origins[canonical] = t, name
}

// unstack puts the three thirds of a tensor's rows. They follow one another, so nothing is
// copied.
func (b *binding) unstack(canonical, name string, t tensorfile.Tensor) {
	if len(t.Shape) == 0 || t.Shape[0]%3 != 0 {
		b.complain("%q has shape %v, whose rows cannot be query, key and value", name, t.Shape)
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

// shorten joins the first elements of a list for a message. A bad checkpoint may have hundreds
// of bad tensors, and the first few say what is wrong.
func shorten(list []string) string {
	const shown = 6
	if len(list) <= shown+1 { // "and 1 more" would not be shorter
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s … and %d more", strings.Join(list[:shown], ", "), len(list)-shown)
}
