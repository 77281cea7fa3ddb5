import Foundation
import SparseAttention

// selection-check parity FOLDER | selection-check editor [options] FILE.npz…: exits 1 where something does not hold.

let usage = """
  usage: selection-check parity FOLDER
         selection-check editor [--mode paper|gap=THRESHOLD] [--segments target=TOKENS[:FxHxW],…] [--tile FxHxW]
                                [--block-q N] [--block-k N] [--scale X] FILE.npz…
  """

func stop(_ message: String, _ code: Int32) -> Never {
  FileHandle.standardError.write(Data((message + "\n").utf8))
  exit(code)
}

do {
  var arguments = Array(CommandLine.arguments.dropFirst())
  guard let command = arguments.first else { stop(usage, 64) }
  arguments.removeFirst()
  switch (command, arguments.count) {
  case ("parity", 1): exit(try ParityCheck.run(arguments[0]) ? 0 : 1)
  case ("editor", 1...): exit(try EditorCheck(arguments).run() ? 0 : 1)
  default: stop(usage, 64)
  }
} catch let error as AttentionError {
  stop(error.message, 65)
} catch let error as CheckError {
  stop(error.message, 65)
} catch {
  stop("\(error)", 70)
}
