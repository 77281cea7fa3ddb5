import ArgumentParser
import VideoPipeline

/// What real families need besides the transformer: texts as embeddings, and the models that go with it.
struct FamilyArguments: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp("Text embeddings (.safetensors or .npz); repeatable where several are compared.", valueName: "file"))
  var text: [String] = []

  @Option(
    name: .long, help: ArgumentHelp("Text embeddings of guidance's negative branch.", valueName: "file"))
  var negativeText: String?

  @Option(
    name: .long, parsing: .unconditional, help: ArgumentHelp("Scale of guidance; 1 turns it off.", valueName: "scale"))
  var guidance: Double?

  @Option(
    name: .long,
    help: ArgumentHelp("The transformer for low noise, where a family has two (found beside MODEL).", valueName: "file"))
  var lowNoise: String?

  @Option(
    name: .long, help: ArgumentHelp("The one for high noise, where MODEL is the other.", valueName: "file"))
  var highNoise: String?

  @Option(name: .long, help: ArgumentHelp("The VAE's encoder (found beside MODEL).", valueName: "file"))
  var vaeEncoder: String?

  @Option(name: .long, help: ArgumentHelp("The VAE's decoder (found beside MODEL).", valueName: "file"))
  var vaeDecoder: String?

  var companions: [Companion: String] {
    [.lowNoise: lowNoise, .highNoise: highNoise, .vaeEncoder: vaeEncoder, .vaeDecoder: vaeDecoder]
      .compactMapValues { $0 }
  }

  func validate() throws {
    if let guidance, !guidance.isFinite { throw ValidationError("--guidance has to be a number.") }
  }
}
