import Foundation

/// Where ONNX Runtime's shared library may be.
enum LibrarySearch {
  static let environmentVariable = "ISA_ORT_LIBRARY"
  private static let stem = "libonnxruntime.so"

  /// Paths to try in turn, and whether the user named them, so that a failure is theirs to know.
  static func candidates(_ path: String?) -> (paths: [String], named: Bool) {
    let variable = ProcessInfo.processInfo.environment[environmentVariable]
    for name in [path, variable] {
      guard let name, !name.isEmpty else { continue }
      // Without a slash the loader would not look in the working directory.
      let file = !name.contains("/") && FileManager.default.fileExists(atPath: name) ? "./" + name : name
      return (inFolder(file) ?? [file], true)
    }
    var folders: [String] = []
    for start in [FileManager.default.currentDirectoryPath, executableFolder] {
      for folder in ancestors(of: start) {
        folders.append(folder + "/.deps/onnxruntime/lib")
      }
    }
    // An installed tool: bin/isa-patch beside lib/.
    folders.append(URL(fileURLWithPath: executableFolder).deletingLastPathComponent().path + "/lib")
    var seen: Set<String> = []
    let found = folders.filter { seen.insert($0).inserted }.flatMap { inFolder($0) ?? [] }
    return (found + ["libonnxruntime.so.1", stem], false)
  }

  /// The libraries in a folder, the newest version first; nil where it is no folder.
  static func inFolder(_ path: String) -> [String]? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return nil }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.filter { $0 == stem || $0.hasPrefix(stem + ".") }
      .sorted { version($1).lexicographicallyPrecedes(version($0)) }
      .map { path + "/" + $0 }
  }

  static func version(_ text: String) -> [Int] {
    text.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
  }

  private static func ancestors(of path: String) -> [String] {
    var out: [String] = []
    var url = URL(fileURLWithPath: path).standardizedFileURL
    while url.path != "/", out.count < 64 {
      out.append(url.path)
      url.deleteLastPathComponent()
    }
    return out
  }

  static var executableFolder: String {
    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: link ?? CommandLine.arguments.first ?? "/").deletingLastPathComponent().path
  }
}
