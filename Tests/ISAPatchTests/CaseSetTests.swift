import Foundation
import ISAPatch
import Testing

@Suite struct CaseSetTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  private static let clip = "\(root)/Adapters/sample-editor/striped-balls.mp4"

  private func model() throws -> EditingModel {
    try EditingModel(path: "\(Self.root)/Adapters/sample-editor/editor.onnx", loading: .init(threads: 1))
  }

  private func options(_ edits: [String] = ["mirror"], frames: Int? = 2, size: String? = "16x8") -> SamplingOptions {
    var options = SamplingOptions()
    options.edits = edits
    options.frames = frames
    options.size = size.flatMap(FrameSize.init)
    options.steps = 3
    options.seed = 7
    return options
  }

  @Test func everyClipWithEveryEdit() throws {
    let folder = try Folder()
    let second = "\(folder.path)/second.mp4"
    try FileManager.default.copyItem(atPath: Self.clip, toPath: second)
    let set = try CaseSet(clips: [Self.clip, second], options: options(["mirror", "0"]), model: model())
    #expect(set.cases.map(\.label) == [
      "striped-balls.mp4 · mirror", "striped-balls.mp4 · sepia", "second.mp4 · mirror", "second.mp4 · sepia",
    ])
    #expect(set.cases.map(\.key.edit) == [5, 0, 5, 0])
    #expect(set.cases.allSatisfy { $0.key.seed == 7 })
    #expect(set.edits == [5, 0])
    #expect(set.description == "2 frames of 16x8, 3 steps")
  }

  /// The adapter's defaults: its first edit, and its sizes.
  @Test func whatIsLeftOpenIsTheAdapters() throws {
    let set = try CaseSet(clips: [Self.clip], options: SamplingOptions(), model: model())
    #expect(set.description == "8 frames of 128x128, 12 steps")
    #expect(set.edits == [0] && set.seed == 0)
  }

  @Test func mistakesHaveTheirCodes() throws {
    let model = try model()
    func error(_ clips: [String], _ options: SamplingOptions) -> ToolError? {
      failure { _ = try CaseSet(clips: clips, options: options, model: model) }
    }
    #expect(error([Self.clip, Self.clip], options())?.status == .usage)
    #expect(error([Self.clip], options(["sharpen"]))?.status == .usage)
    #expect(error([Self.clip], options(size: "15x9"))?.status == .usage)
    #expect(error(["/none.mp4"], options())?.status == .noInput)
    #expect(error([Self.clip], options(frames: 4000))?.status == .dataError)
    let folder = try Folder()
    #expect(error([try folder.write("noise.mp4", [1, 2, 3, 4])], options())?.status == .dataError)
  }
}
