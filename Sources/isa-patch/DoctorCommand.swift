import ArgumentParser
import ISAPatch
import Reporting

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "What was found, where, and what to do about what is missing.")

  @OptionGroup var output: OutputOptions

  func run() throws {
    let findings = DoctorJob().run()
    if output.json {
      Console.result(
        JSONOutput.object([
          ("schema", "isa-patch/doctor/1"), ("version", .string(Version.current)),
          ("machine", .string(Machine.current.description)),
          (
            "findings",
            .array(
              findings.map {
                .object([
                  ("name", .string($0.name)), ("found", .bool($0.found)), ("needed", .bool($0.isNeeded)),
                  ("detail", .string($0.detail)),
                ])
              })
          ),
        ]).document)
    } else {
      var table = TextTable([.text("what"), .text(""), .text("where, or what to do", leastWidth: 20)])
      for finding in findings {
        table.add([
          .init(finding.name), .init(finding.found ? "found" : finding.isNeeded ? "MISSING" : "–"),
          .init(finding.detail),
        ])
      }
      Console.result(table.rendered(for: Terminal.of(1)))
    }
    try Console.finish(findings.contains { $0.isNeeded && !$0.found } ? .unavailable : .success)
  }
}
