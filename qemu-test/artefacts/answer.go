package artefacts

import (
	"context"
	"slices"

	"basalt/boot/cpio"
)

// answerFolder is where qemu-test/answer looks for its modules, and is itself.
const answerFolder = "lib/answer"

// AnswerCommand starts qemu-test/answer in a guest with AnswerModules and AnswerProgram;
// behind it come the names of the ports.
const AnswerCommand = "/" + answerFolder + "/answer"

// AnswerModules gives the path of a cpio archive in dir with the modules for a virtio
// console and balloon of the kernel that Kernel gave.
func AnswerModules(ctx context.Context, dir string) (string, error) {
	return modules(ctx, dir, "answer", answerFolder, append(slices.Clone(virtioModules),
		"drivers/char/virtio_console.ko", "drivers/virtio/virtio_balloon.ko"))
}

// AnswerProgram makes a cpio archive with qemu-test/answer, built for Linux.
func AnswerProgram(program []byte) []byte {
	e := file(answerFolder, "answer", program)
	e.Mode = cpio.KindFile | 0o755
	return cpio.End(cpio.Append(folders(answerFolder), e))
}
