import ArgumentParser
import ISAPatch
import Reporting

struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "The original, byte for byte, from a patched model.")

  @Argument(help: "The patched model.")
  var model: String

  @Option(name: .shortAndLong, help: ArgumentHelp("The original (MODEL.onnx for MODEL.isa.onnx).", valueName: "file"))
  var output: String?

  @OptionGroup var outputOptions: OutputOptions

  func run() throws {
    let report = try RestoreJob(model: model, output: output).run()
    if outputOptions.json {
      Console.result(
        JSONOutput.object([
          ("schema", "isa-patch/restore/1"), ("model", .string(report.model)), ("output", .string(report.output)),
          ("bytes", .integer(report.bytes)), ("sha256", .string(report.sha256)),
        ]).document)
    } else {
      Console.result("\(report.output): \(NumberFormat.grouped(report.bytes)) bytes, SHA-256 \(report.sha256)")
    }
  }
}
