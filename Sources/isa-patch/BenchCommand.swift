import ArgumentParser
import Foundation
import ISAPatch
import Reporting
import SparseAttention

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Kernels against ONNX Runtime's own operators; a model's time split up.",
    subcommands: [BenchAttentionCommand.self, BenchModelCommand.self])
}

struct BenchAttentionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attention", abstract: "The operator against ONNX Runtime's own, interleaved, on unit Gaussian inputs."
  )

  @Option(
    name: .long, parsing: .unconditional, help: ArgumentHelp("Lengths of the sequence, by commas.", valueName: "n,…"))
  var tokens: CommaList<Int> = .init([2048, 4096])

  @Option(name: .long, parsing: .unconditional, help: "Attention heads.")
  var heads = 4

  @Option(name: .long, parsing: .unconditional, help: "Size of a head.")
  var headSize = 128

  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp("Threads, by commas; with one, times are CPU time.", valueName: "n,…"))
  var threads: CommaList<Int> = .init([1])

  @Option(
    name: .customLong("case"),
    help: ArgumentHelp("exact, paper, mass, gap, loss (listing 1/8), or as in \"mass 1/16\"; by commas.", valueName: "case,…")
  )
  var cases: CommaList<BenchCase> = .init(BenchCase.standard)

  @Option(name: .long, help: ArgumentHelp("float32, float16, bfloat16; by commas.", valueName: "type,…"))
  var compute: CommaList<ComputeType> = .init([.float32, .bfloat16])

  @Option(name: .long, parsing: .unconditional, help: "Measured runs of each.")
  var repeats = 5

  @Option(name: .long, help: "ort: MultiHeadAttention; all: decomposed attention and opset 23's Attention too.")
  var peers: PeerChoice = .ort

  @Option(name: .long, help: ArgumentHelp("An SVG of the speed-up as executed density falls.", valueName: "file.svg"))
  var plot: String?

  @OptionGroup var output: OutputOptions

  enum PeerChoice: String, ExpressibleByArgument, CaseIterable {
    case ort, all
  }

  private var job: BenchAttentionJob {
    var cases = cases.values
    if plot != nil { cases += BenchCase.sweep.filter { !cases.contains($0) } }
    return BenchAttentionJob(
      tokens: tokens.values, heads: heads, headSize: headSize, threads: threads.values, cases: cases,
      computes: compute.values, peers: peers == .all ? BenchPeer.allCases : [.multiHeadAttention], repeats: repeats)
  }

  func validate() throws {
    do throws(ToolError) { try job.validate() } catch { throw ValidationError(error.message) }
    if let plot, !plot.hasSuffix(".svg") { throw ValidationError("--plot writes SVG; give a name that ends in .svg.") }
  }

  func run() throws {
    if let plot { try AtomicFile.checkWritable(plot) }
    let report = try job.run(progress: .standardError(quiet: output.quiet))
    if let plot, let svg = BenchPlot.svg(report) { try AtomicFile.write(Data(svg.utf8), to: plot) }
    Console.result(output.json ? report.json : report.table(for: Terminal.of(1)))
    if !output.quiet { report.notes.forEach(Console.note) }
  }
}

struct BenchModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "A model's time split into attention and the rest, before and after patching.")

  @Argument(help: "The model.")
  var model: String

  @Argument(help: "The patched model, to be run in turn with it.")
  var patched: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Arrays for the model's inputs (.npz, .safetensors), where it has no adapter.", valueName: "file"))
  var inputs: String?

  @Option(name: .long, parsing: .unconditional, help: "Measured steps.")
  var repeats = 2

  @OptionGroup var sampling: SamplingArguments
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...10_000).contains(repeats) else { throw ValidationError("--repeats must be from 1 to 10000.") }
  }

  func run() throws {
    let job = BenchModelJob(model: model, patched: patched, options: sampling.options, inputs: inputs, repeats: repeats)
    let report = try job.run(progress: .standardError(quiet: output.quiet))
    Console.result(output.json ? report.json : report.table(for: Terminal.of(1)))
  }
}

/// Values of one option, separated by commas.
struct CommaList<Element: ExpressibleByArgument>: ExpressibleByArgument {
  var values: [Element]

  init(_ values: [Element]) { self.values = values }

  init?(argument: String) {
    values = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = Element(argument: part.trimmingCharacters(in: .whitespaces)) else { return nil }
      values.append(value)
    }
  }

  var defaultValueDescription: String { values.map(\.defaultValueDescription).joined(separator: ",") }
}

extension BenchCase: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { name }
}
